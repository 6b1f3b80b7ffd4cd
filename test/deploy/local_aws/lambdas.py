"""Lambda: moto keeps the functions and mappings, lambda-front.ts runs them. moto itself would want docker, and knows no Kafka."""

import functools
import hashlib
import io
import json
import os
import urllib.request
import uuid
import zipfile
from typing import Any

import boto3
from moto.awslambda.models import LambdaFunction
from moto.awslambda.utils import get_backend

from local_aws.custom_resources import mailbox_port

INVOCATION_SECONDS = 900


@functools.cache
def client(service: str, region: str) -> Any:
    """A client of this server itself."""
    return boto3.client(service, region_name=region, endpoint_url=endpoint())


def endpoint() -> str:
    return f"http://localhost:{os.environ['MOTO_PORT']}"


def install(front: str, folder: str, surroundings: dict[str, str]) -> None:
    """`surroundings`: environment variables that no template sets, as the addresses of the services."""
    roles: dict[str, dict[str, str]] = {}

    def credentials(function: LambdaFunction) -> dict[str, str]:
        if function.role not in roles:
            given = client("sts", function.region).assume_role(RoleArn=function.role, RoleSessionName="function")["Credentials"]
            names = {"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey", "AWS_SESSION_TOKEN": "SessionToken"}
            roles[function.role] = {variable: given[name] for variable, name in names.items()}
        return roles[function.role]

    def unpacked(code: bytes) -> str:
        root = os.path.join(folder, hashlib.sha256(code).hexdigest())
        if not os.path.exists(root):
            zipfile.ZipFile(io.BytesIO(code)).extractall(f"{root}.{os.getpid()}")
            os.rename(f"{root}.{os.getpid()}", root)
        return root

    def invoke(function: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        services = {"AWS_REGION": function.region, "AWS_ENDPOINT_URL": endpoint(), "LOCAL_AWS_ANSWERS": str(mailbox_port())}
        environment = {**services, **surroundings, **function.environment_vars}
        options = [surroundings.get("NODE_OPTIONS"), function.environment_vars.get("NODE_OPTIONS")]
        environment["NODE_OPTIONS"] = " ".join(option for option in options if option)
        request = {
            "name": function.function_name,
            "root": unpacked(function.code_bytes),
            "handler": function.handler,
            "environment": {**environment, **credentials(function)},
            "timeoutMs": int(function.timeout) * 1000,
            "memoryMb": int(function.memory_size),
            "payload": json.dumps({} if event is None else event),
        }
        body = json.dumps(request).encode()
        with urllib.request.urlopen(urllib.request.Request(front, body), timeout=INVOCATION_SECONDS) as answer:
            result = json.loads(answer.read())
        return result["payload"], result["failed"], ""

    LambdaFunction._invoke_lambda = invoke


class KafkaMapping:
    """A Kafka event source mapping, as ListEventSourceMappings tells it. What the service refuses is refused here too."""

    def __init__(self, properties: dict[str, Any], account: str, region: str):
        self.uuid = str(uuid.uuid4())
        self.account, self.region = account, region
        self.arn = f"arn:aws:lambda:{region}:{account}:event-source-mapping:{self.uuid}"
        self._put(properties)

    def update(self, properties: dict[str, Any]) -> None:
        if _group(properties) != self.group or properties["Topics"] != self.properties["Topics"]:
            raise ValueError("the topic and the consumer group of a mapping cannot be changed")
        self._put(properties)

    def _put(self, properties: dict[str, Any]) -> None:
        if ("EventSourceArn" in properties) == ("SelfManagedEventSource" in properties):
            raise ValueError("a mapping has either EventSourceArn or SelfManagedEventSource")
        if len(properties.get("Topics", [])) != 1:
            raise ValueError("a mapping has exactly one topic")
        backend = get_backend(self.account, self.region)
        function = backend.get_function(properties["FunctionName"])
        if int(function.timeout) > 840:
            raise ValueError("functions behind a Kafka event source have a timeout of at most 14 minutes")
        mappings = backend._event_source_mappings
        if any(other is not self and isinstance(other, KafkaMapping) and other.group == _group(properties) for other in mappings.values()):
            raise ValueError(f"the consumer group {_group(properties)} is another mapping's")
        self.properties, self.group, self.function_name = properties, _group(properties), function.function_arn
        self.event_source_arn = properties.get("EventSourceArn")
        mappings[self.uuid] = self

    def delete(self) -> None:
        get_backend(self.account, self.region)._event_source_mappings.pop(self.uuid)

    def get_configuration(self) -> dict[str, Any]:
        told = {name: value for name, value in self.properties.items() if name not in ("FunctionName", "Enabled", "Tags")}
        if "SelfManagedEventSource" in told:
            brokers = told["SelfManagedEventSource"]["Endpoints"]["KafkaBootstrapServers"]
            told["SelfManagedEventSource"] = {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": brokers}}
        state = "Enabled" if self.properties.get("Enabled", True) else "Disabled"
        return {**told, "UUID": self.uuid, "EventSourceMappingArn": self.arn, "FunctionArn": self.function_name, "State": state}


def _group(properties: dict[str, Any]) -> str | None:
    config = properties.get("AmazonManagedKafkaEventSourceConfig") or properties.get("SelfManagedKafkaEventSourceConfig") or {}
    return config.get("ConsumerGroupId")
