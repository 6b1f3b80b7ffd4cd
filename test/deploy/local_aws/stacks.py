"""How a stack changes: in the order of its references, and back again when something fails.

moto creates in any order, deletes before it creates, knows no replacement and no rollback, and answers failures with an HTTP 500,
which the CDK takes for a success once its retry finds no stack or a complete one. Here a failure is a state of the stack, with
events that say why, as CloudFormation does it.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Event, Stack
from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import ServiceException


def install() -> None:
    Stack.create_resources = create
    Stack.update = update
    Stack.stack_parameters = property(given_parameters)
    CloudFormationBackend.delete_stack = delete
    CloudFormationBackend.execute_change_set = execute_change_set
    CloudFormationBackend.delete_change_set = delete_change_set
    CloudFormationBackend.describe_change_set = describe_change_set
    CloudFormationBackend._resolve_update_parameters = parameters_of
    # After a failure the CDK looks there for more about it.
    CloudTrailResponse.lookup_events = lambda response: json.dumps({"Events": []})


def create(stack: Stack) -> None:
    stack.status = "CREATE_IN_PROGRESS"
    stack.output_map = parsing.OutputMap(stack.resource_map, {}, stack.stack_id)
    change = Change(stack, {"Resources": {}})
    try:
        change.apply(stack.template_dict, stack.parameters)
    except Failure:
        finish(stack, "ROLLBACK_COMPLETE" if change.undone() else "ROLLBACK_FAILED")
        return
    stack.description = stack.template_dict.get("Description")
    stack.output_map = stack._create_output_map()
    finish(stack, "CREATE_COMPLETE")


def update(stack: Stack, template: str, role_arn: str | None = None, parameters: Any = None, tags: Any = None) -> None:
    stack.status = "UPDATE_IN_PROGRESS"
    stack._add_stack_event("UPDATE_IN_PROGRESS", resource_status_reason="User Initiated")
    before, after = stack.template_dict, Stack.parse_template(template)
    change = Change(stack, before)
    try:
        change.apply(after, parameters if parameters is not None else stack.parameters)
    except Failure:
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        finish(stack, "UPDATE_ROLLBACK_COMPLETE" if change.undone() else "UPDATE_ROLLBACK_FAILED")
        return
    change.clean_up()
    stack.template, stack.template_dict, stack.parameters = template, after, change.parameters
    stack.tags = tags if tags is not None else stack.tags
    stack.output_map = stack._create_output_map()
    finish(stack, "UPDATE_COMPLETE")


def delete(backend: CloudFormationBackend, name_or_stack_id: str) -> None:
    stack = next((it for it in backend.stacks.values() if name_or_stack_id in (it.name, it.stack_id)), None)
    if stack is None:
        return
    stack._add_stack_event("DELETE_IN_PROGRESS", resource_status_reason="User Initiated")
    resources = stack.resource_map._parsed_resources
    for logical in reversed(list(in_order(stack.template_dict["Resources"]))):
        if logical not in resources or is_kept(stack.template_dict["Resources"][logical]):
            continue
        try:
            remove(stack, logical, resources[logical])
        except Exception as error:
            say(stack, logical, "DELETE_FAILED", str(error))
            finish(stack, "DELETE_FAILED")
            return
        resources.pop(logical)
    finish(stack, "DELETE_COMPLETE")
    backend.deleted_stacks[stack.stack_id] = backend.stacks.pop(stack.stack_id)


def execute_change_set(backend: CloudFormationBackend, change_set_name: str, stack_name: str | None = None) -> None:
    change_set = backend.describe_change_set(change_set_name)
    stack = backend.stacks[change_set.stack_id]
    if change_set.change_set_type == "CREATE":
        stack.template, stack.parameters = change_set.template, change_set.parameters
        stack._parse_template()
        stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
        stack.create_resources()
    else:
        stack.update(change_set.template, parameters=change_set.parameters, tags=change_set.tags)
    change_set.execution_status = "EXECUTE_COMPLETE"


def delete_change_set(backend: CloudFormationBackend, change_set_name: str) -> None:
    """The CDK asks for it before it makes one of this name. One that is not there is deleted; moto answers that with an HTTP 500."""
    sets = backend.change_sets
    for change_set_id in [it for it, known in sets.items() if change_set_name in (it, known.change_set_name)]:
        del sets[change_set_id]


def describe_change_set(backend: CloudFormationBackend, change_set_name: str) -> ChangeSet:
    for change_set_id, known in reversed(backend.change_sets.items()):
        if change_set_name in (change_set_id, known.change_set_name):
            return known
    raise ChangeSetNotFound


class ChangeSetNotFound(ServiceException):
    """The CDK waits for it; moto says that a stack does not exist."""

    code = "ChangeSetNotFound"
    message = "There is no change set of this name"


def given_parameters(stack: Stack) -> dict[str, Any]:
    """As they were given: moto tells what they stand for, which a change set would then give for the name of an SSM parameter."""
    defaults = {name: text.get("Default") for name, text in stack.template_dict.get("Parameters", {}).items()}
    return {**defaults, **stack.parameters}


def parameters_of(backend: CloudFormationBackend, instance: Any, incoming_params: list[dict[str, Any]]) -> dict[str, str]:
    """What has a default in the template has no previous value."""
    given = {it["ParameterKey"]: it["ParameterValue"] for it in incoming_params if "ParameterValue" in it}
    previous = {it["ParameterKey"] for it in incoming_params if it.get("UsePreviousValue")}
    return {**given, **{key: value for key, value in instance.parameters.items() if key in previous}}


class Failure(Exception):
    """A resource failed; its event says why."""


class Change:
    """From one template of a stack to the next. Every step knows its way back."""

    def __init__(self, stack: Stack, before: dict[str, Any]):
        self.stack, self.before = stack, before
        self.map = stack.resource_map
        self.before_parameters = self.map.input_parameters
        self.parameters = self.before_parameters
        self._steps_back: list[Callable[[], None]] = []
        self._left: list[tuple[str, Any]] = []
        if not hasattr(stack, "applied"):
            stack.applied = {}

    def apply(self, template: dict[str, Any], parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self._load(template, parameters)
        for logical in in_order(template["Resources"]):
            try:
                self._take(logical)
            except Exception as error:
                known = "UPDATE_FAILED" if logical in self.before["Resources"] else "CREATE_FAILED"
                say(self.stack, logical, known, str(error))
                raise Failure from error
        gone = [it for it in self.map._parsed_resources if it in self.before["Resources"] and it not in template["Resources"]]
        for logical in reversed(list(in_order(self.before["Resources"]))):
            if logical in gone:
                resource = self.map._parsed_resources.pop(logical)
                self.stack.applied.pop(logical, None)
                if not is_kept(self.before["Resources"][logical]):
                    self._left.append((logical, resource))

    def clean_up(self) -> None:
        """Removes what the new template has no more, and what was replaced."""
        for logical, resource in self._left:
            remove(self.stack, logical, resource)
        for resource in self.map._parsed_resources.values():
            if hasattr(resource, "clean_up"):
                resource.clean_up()

    def undone(self) -> bool:
        """Whether everything is as it was before."""
        self._load(self.before, self.before_parameters)
        for back in reversed(self._steps_back):
            try:
                back()
            except Exception as error:
                say(self.stack, self.stack.name, "UPDATE_FAILED", str(error))
                return False
        for resource in self.map._parsed_resources.values():
            if hasattr(resource, "clean_up"):
                resource.clean_up()
        return True

    def _load(self, template: dict[str, Any], parameters: dict[str, Any]) -> None:
        self.map._template, self.map._resource_json_map = template, template["Resources"]
        self.map.input_parameters = parameters
        self.map.resolved_parameters = {}
        self.map.load_mapping()
        self.map.load_parameters()
        self.map.load_conditions()

    def _take(self, logical: str) -> None:
        text = copy.deepcopy(self.map._resource_json_map[logical])
        condition = text.get("Condition")
        if condition and not self.map.lazy_condition_map[condition]:
            return
        kind, resolved, name = parsing.parse_resource_and_generate_name(logical, text, self.map)
        resource, was = self.map._parsed_resources.get(logical), self.stack.applied.get(logical)
        properties = resolved.get("Properties", {})
        if resource is None:
            self._create(logical, kind, resolved, name)
        elif was != properties:
            replaced_by = getattr(kind, "REPLACED_BY", ())
            if any(was.get(key) != properties.get(key) for key in replaced_by):
                self._left.append((logical, resource))
                self._create(logical, kind, resolved, name, resource)
            else:
                self._update(logical, kind, resolved, name, resource)

    def _create(self, logical: str, kind: Any, resolved: dict[str, Any], name: str, replaced: Any = None) -> None:
        say(self.stack, logical, "CREATE_IN_PROGRESS")
        told = {"LogicalId": logical, "StackId": self.stack.stack_id, "ResourceType": resolved["Type"]}
        place = (self.map._account_id, self.map._region_name)
        made = kind.create_from_cloudformation_json(name, copy.deepcopy(resolved), *place, **told)
        made.cf_resource_type, made.logical_resource_id = resolved["Type"], logical
        was, kept = self.stack.applied.get(logical), self.map._resource_json_map[logical].get("DeletionPolicy") == "Retain"
        self.map._parsed_resources[logical] = made
        self.stack.applied[logical] = resolved.get("Properties", {})

        def back() -> None:
            if not kept:
                remove(self.stack, logical, made)
            self.map._parsed_resources.pop(logical)
            self.stack.applied.pop(logical)
            if replaced is not None:
                self.map._parsed_resources[logical], self.stack.applied[logical] = replaced, was

        self._steps_back.append(back)
        say(self.stack, logical, "CREATE_COMPLETE")

    def _update(self, logical: str, kind: Any, resolved: dict[str, Any], name: str, resource: Any) -> None:
        place = (self.map._account_id, self.map._region_name)
        before = {**resolved, "Properties": self.stack.applied[logical]}

        def put(state: dict[str, Any]) -> None:
            say(self.stack, logical, "UPDATE_IN_PROGRESS")
            kind.update_from_cloudformation_json(resource, name, copy.deepcopy(state), *place)
            self.stack.applied[logical] = state["Properties"]
            say(self.stack, logical, "UPDATE_COMPLETE")

        # Also where the update fails: it may have got half-way.
        self._steps_back.append(lambda: put(before))
        put(resolved)


def remove(stack: Stack, logical: str, resource: Any) -> None:
    say(stack, logical, "DELETE_IN_PROGRESS")
    resource.delete(stack.account_id, stack.region_name)
    say(stack, logical, "DELETE_COMPLETE")


def is_kept(text: dict[str, Any]) -> bool:
    return text.get("DeletionPolicy", "").startswith("Retain")


def in_order(resources: dict[str, Any]) -> Iterator[str]:
    """Logical ids, each behind those that it refers to."""
    seen: set[str] = set()

    def visit(logical: str) -> Iterator[str]:
        if logical in seen or logical not in resources:
            return
        seen.add(logical)
        for other in references(resources[logical]):
            yield from visit(other)
        yield logical

    for logical in resources:
        yield from visit(logical)


def references(text: Any) -> Iterator[str]:
    if isinstance(text, list):
        for it in text:
            yield from references(it)
    if not isinstance(text, dict):
        return
    for key, value in text.items():
        if key == "Ref":
            yield value
        elif key == "Fn::GetAtt":
            yield value[0] if isinstance(value, list) else value.split(".")[0]
        elif key == "DependsOn":
            yield from value if isinstance(value, list) else [value]
        else:
            if key == "Fn::Sub":
                yield from re.findall(r"\$\{([A-Za-z0-9]+)", value[0] if isinstance(value, list) else value)
            yield from references(value)


def say(stack: Stack, logical: str, status: str, reason: str | None = None) -> None:
    resource = stack.resource_map._parsed_resources.get(logical)
    text = stack.resource_map._resource_json_map.get(logical, {})
    physical = getattr(resource, "physical_resource_id", "") or ""
    stack.events.append(Event(stack.stack_id, stack.name, logical, physical, text.get("Type", ""), status, reason, None))


def finish(stack: Stack, status: str) -> None:
    stack.status = status
    stack._add_stack_event(status)
