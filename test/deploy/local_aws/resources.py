"""The CloudFormation types of our stacks, made of calls to the server itself: what they create is there for every later call.

What a type does with its properties is our reading of the service, not the service. A type that is not known here, nor to moto, is
an error: moto would skip it and say that the stack is complete.
"""

import json
from typing import Any, ClassVar

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel

from local_aws.custom_resources import ask
from local_aws.lambdas import KafkaMapping, client


class Resource(CloudFormationModel):
    """One type: `create` returns its physical id and its attributes, `update` new attributes or None."""

    TYPE: ClassVar[str] = ""
    #: The property that names it, if the template says.
    NAME: ClassVar[str] = ""
    #: Properties of which CloudFormation makes another resource when they change.
    REPLACED_BY: ClassVar[tuple[str, ...]] = ()

    def __init__(self, properties: dict[str, Any], account: str, region: str, told: dict[str, Any]):
        self.properties, self.account, self.region, self.told = properties, account, region, told
        self.physical_resource_id, self.attributes = "", {}

    def aws(self, service: str) -> Any:
        return client(service, self.region)

    def create(self, name: str) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def change(self, before: dict[str, Any]) -> None:
        raise ValueError(f"{self.TYPE} cannot be changed here")

    def remove(self) -> None:
        raise NotImplementedError

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        if name in self.attributes:
            return self.attributes[name]
        raise ValidationError(message=f"{self.TYPE} has no attribute {name} here")

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.TYPE

    @classmethod
    def cloudformation_name_type(cls) -> str:
        return cls.NAME

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        it = cls(cloudformation_json.get("Properties", {}), account_id, region_name, kwargs)
        it.physical_resource_id, it.attributes = it.create(resource_name)
        return it

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        it, before = original_resource, original_resource.properties
        it.properties = cloudformation_json.get("Properties", {})
        try:
            it.change(before)
        except Exception:
            it.properties = before
            raise
        return it

    def delete(self, account_id: str, region: str) -> None:
        self.remove()


class GlobalTable(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::DynamoDB::GlobalTable", "TableName", ("TableName", "KeySchema")

    def create(self, name):
        keys = {key: self.properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
        table = self.aws("dynamodb").create_table(TableName=name, **keys)["TableDescription"]
        self.physical_resource_id = name
        self.settings()
        return name, {"Arn": table["TableArn"], "TableId": table.get("TableId", name)}

    def settings(self):
        dynamodb, table = self.aws("dynamodb"), self.physical_resource_id
        replica = next(it for it in self.properties["Replicas"] if it["Region"] == self.region)
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=replica.get("DeletionProtectionEnabled", False))
        expiry = self.properties.get("TimeToLiveSpecification", {})
        if expiry.get("Enabled"):
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
        backups = replica.get("PointInTimeRecoverySpecification")
        if backups:
            dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=backups)

    def change(self, before):
        self.settings()

    def remove(self):
        self.aws("dynamodb").delete_table(TableName=self.physical_resource_id)


class Role(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::IAM::Role", "RoleName", ("RoleName", "Path")

    def create(self, name):
        name = name[-64:].lstrip("-")
        trust = json.dumps(self.properties["AssumeRolePolicyDocument"])
        role = self.aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
        self.physical_resource_id = name
        self.policies({})
        return name, {"Arn": role["Arn"], "RoleId": role["RoleId"]}

    def policies(self, before):
        iam, name = self.aws("iam"), self.physical_resource_id
        for policy in self.properties.get("Policies", []):
            iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=json.dumps(policy["PolicyDocument"]))
        kept = {policy["PolicyName"] for policy in self.properties.get("Policies", [])}
        for policy in before.get("Policies", []):
            if policy["PolicyName"] not in kept:
                iam.delete_role_policy(RoleName=name, PolicyName=policy["PolicyName"])

    def change(self, before):
        if before.get("ManagedPolicyArns") != self.properties.get("ManagedPolicyArns"):
            raise ValueError("managed policies of a role cannot be changed here")
        trust = json.dumps(self.properties["AssumeRolePolicyDocument"])
        self.aws("iam").update_assume_role_policy(RoleName=self.physical_resource_id, PolicyDocument=trust)
        self.policies(before)

    def remove(self):
        iam, name = self.aws("iam"), self.physical_resource_id
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


class Policy(Resource):
    TYPE, REPLACED_BY = "AWS::IAM::Policy", ("PolicyName",)

    def create(self, name):
        self.put()
        return self.properties["PolicyName"], {}

    def put(self):
        document = json.dumps(self.properties["PolicyDocument"])
        for role in self.properties["Roles"]:
            self.aws("iam").put_role_policy(RoleName=role, PolicyName=self.properties["PolicyName"], PolicyDocument=document)

    def change(self, before):
        if before["Roles"] != self.properties["Roles"]:
            raise ValueError("the roles of a policy cannot be changed here")
        self.put()

    def remove(self):
        for role in self.properties["Roles"]:
            self.aws("iam").delete_role_policy(RoleName=role, PolicyName=self.properties["PolicyName"])


class LogGroup(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::Logs::LogGroup", "LogGroupName", ("LogGroupName",)

    def create(self, name):
        self.aws("logs").create_log_group(logGroupName=name)
        self.physical_resource_id = name
        self.change({})
        return name, {"Arn": f"arn:aws:logs:{self.region}:{self.account}:log-group:{name}:*"}

    def change(self, before):
        days = self.properties.get("RetentionInDays")
        if days is not None:
            self.aws("logs").put_retention_policy(logGroupName=self.physical_resource_id, retentionInDays=days)

    def remove(self):
        self.aws("logs").delete_log_group(logGroupName=self.physical_resource_id)


class MetricFilter(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::Logs::MetricFilter", "FilterName", ("FilterName", "LogGroupName")

    def create(self, name):
        self.physical_resource_id = name
        self.change({})
        return name, {}

    def change(self, before):
        group, pattern = self.properties["LogGroupName"], self.properties["FilterPattern"]
        told = [{key[0].lower() + key[1:]: value for key, value in it.items()} for it in self.properties["MetricTransformations"]]
        for it in told:
            if "dimensions" in it:
                it["dimensions"] = {dimension["Key"]: dimension["Value"] for dimension in it["dimensions"]}
        name = self.physical_resource_id
        self.aws("logs").put_metric_filter(logGroupName=group, filterName=name, filterPattern=pattern, metricTransformations=told)

    def remove(self):
        self.aws("logs").delete_metric_filter(logGroupName=self.properties["LogGroupName"], filterName=self.physical_resource_id)


class Function(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::Lambda::Function", "FunctionName", ("FunctionName",)
    CONFIGURATION = ("Description", "Environment", "Handler", "MemorySize", "Role", "Runtime", "Timeout", "VpcConfig")

    def create(self, name):
        name = name[-64:].lstrip("-")
        configuration = {key: self.properties[key] for key in self.CONFIGURATION if key in self.properties}
        tags = {tag["Key"]: tag["Value"] for tag in self.properties.get("Tags", [])}
        more = {"Code": self.properties["Code"], "Architectures": self.properties.get("Architectures", ["x86_64"]), "Tags": tags}
        made = self.aws("lambda").create_function(FunctionName=name, **configuration, **more)
        return name, {"Arn": made["FunctionArn"]}

    def change(self, before):
        api, name = self.aws("lambda"), self.physical_resource_id
        configuration = {key: self.properties[key] for key in self.CONFIGURATION if key in self.properties}
        api.update_function_configuration(FunctionName=name, **configuration)
        if before["Code"] != self.properties["Code"]:
            api.update_function_code(FunctionName=name, **self.properties["Code"])

    def remove(self):
        self.aws("lambda").delete_function(FunctionName=self.physical_resource_id)


class EventInvokeConfig(Resource):
    TYPE, REPLACED_BY = "AWS::Lambda::EventInvokeConfig", ("FunctionName", "Qualifier")

    def create(self, name):
        self.change({})
        return self.properties["FunctionName"], {}

    def change(self, before):
        told = {key: self.properties[key] for key in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds") if key in self.properties}
        self.aws("lambda").put_function_event_invoke_config(FunctionName=self.properties["FunctionName"], **told)

    def remove(self):
        self.aws("lambda").delete_function_event_invoke_config(FunctionName=self.properties["FunctionName"])


class EventSourceMapping(Resource):
    TYPE = "AWS::Lambda::EventSourceMapping"
    REPLACED_BY = ("EventSourceArn", "SelfManagedEventSource", "StartingPosition")

    def create(self, name):
        self.mapping = KafkaMapping(self.properties, self.account, self.region)
        return self.mapping.uuid, {"Id": self.mapping.uuid, "EventSourceMappingArn": self.mapping.arn}

    def change(self, before):
        self.mapping.update(self.properties)

    def remove(self):
        self.mapping.delete()


class Schedule(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::Scheduler::Schedule", "Name", ("Name",)

    def request(self):
        target = dict(self.properties["Target"])
        if "RetryPolicy" in target:
            target["RetryPolicy"] = {key: int(value) for key, value in target["RetryPolicy"].items()}
        return {**{key: value for key, value in self.properties.items() if key != "Name"}, "Target": target}

    def create(self, name):
        name = name[-64:].lstrip("-")
        return name, {"Arn": self.aws("scheduler").create_schedule(Name=name, **self.request())["ScheduleArn"]}

    def change(self, before):
        self.aws("scheduler").update_schedule(Name=self.physical_resource_id, **self.request())

    def remove(self):
        self.aws("scheduler").delete_schedule(Name=self.physical_resource_id)


class FunctionUrl(Resource):
    TYPE, REPLACED_BY = "AWS::Lambda::Url", ("TargetFunctionArn", "Qualifier")

    def create(self, name):
        target = self.properties["TargetFunctionArn"]
        made = self.aws("lambda").create_function_url_config(FunctionName=target, AuthType=self.properties["AuthType"])
        return made["FunctionArn"], {"FunctionUrl": made["FunctionUrl"], "FunctionArn": made["FunctionArn"]}

    def change(self, before):
        target = self.properties["TargetFunctionArn"]
        self.aws("lambda").update_function_url_config(FunctionName=target, AuthType=self.properties["AuthType"])

    def remove(self):
        self.aws("lambda").delete_function_url_config(FunctionName=self.properties["TargetFunctionArn"])


class Alarm(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::CloudWatch::Alarm", "AlarmName", ("AlarmName",)

    def create(self, name):
        self.physical_resource_id = name
        self.change({})
        return name, {"Arn": f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{name}"}

    def change(self, before):
        told = {key: value for key, value in self.properties.items() if key not in ("AlarmName", "Tags")}
        self.aws("cloudwatch").put_metric_alarm(AlarmName=self.physical_resource_id, **told)

    def remove(self):
        self.aws("cloudwatch").delete_alarms(AlarmNames=[self.physical_resource_id])


class Dashboard(Resource):
    TYPE, NAME, REPLACED_BY = "AWS::CloudWatch::Dashboard", "DashboardName", ("DashboardName",)

    def create(self, name):
        self.physical_resource_id = name
        self.change({})
        return name, {}

    def change(self, before):
        body = self.properties["DashboardBody"]
        self.aws("cloudwatch").put_dashboard(DashboardName=self.physical_resource_id, DashboardBody=body)

    def remove(self):
        self.aws("cloudwatch").delete_dashboards(DashboardNames=[self.physical_resource_id])


class BucketPolicy(Resource):
    TYPE, REPLACED_BY = "AWS::S3::BucketPolicy", ("Bucket",)

    def create(self, name):
        self.change({})
        return self.properties["Bucket"], {}

    def change(self, before):
        # moto holds itself to bucket policies: what denies plain http would lock this server out.
        document = self.properties["PolicyDocument"]
        kept = [statement for statement in document["Statement"] if "SecureTransport" not in json.dumps(statement)]
        if kept:
            self.aws("s3").put_bucket_policy(Bucket=self.properties["Bucket"], Policy=json.dumps({**document, "Statement": kept}))

    def remove(self):
        self.aws("s3").delete_bucket_policy(Bucket=self.properties["Bucket"])


class CustomResource(Resource):
    """`Custom::*`: its function is run, and its answer awaited. Values travel as text, as CloudFormation sends them."""

    TYPE, REPLACED_BY = "AWS::CloudFormation::CustomResource", ("ServiceToken",)

    def tell(self, request: str, **more: Any) -> tuple[str, dict[str, Any]]:
        names = {"StackId": self.told["StackId"], "LogicalResourceId": self.told["LogicalId"], "ResourceType": self.told["ResourceType"]}
        properties = as_text(self.properties)
        answer = ask({"RequestType": request, "ResourceProperties": properties, **names, **more}, self.region)
        return answer["PhysicalResourceId"], answer.get("Data") or {}

    def create(self, name):
        return self.tell("Create")

    def change(self, before):
        replaced = self.physical_resource_id
        self.physical_resource_id, self.attributes = self.tell(
            "Update", PhysicalResourceId=replaced, OldResourceProperties=as_text(before)
        )
        self.replaced = replaced if replaced != self.physical_resource_id else None

    def clean_up(self):
        """After an update of the stack: what the resource was before, if its function gave it another id."""
        if getattr(self, "replaced", None):
            self.tell("Delete", PhysicalResourceId=self.replaced)
        self.replaced = None

    def remove(self):
        self.tell("Delete", PhysicalResourceId=self.physical_resource_id)


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_text(it) for key, it in value.items()}
    if isinstance(value, list):
        return [as_text(it) for it in value]
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def install() -> None:
    """Puts our types before moto's, and makes an unknown one an error."""
    ours = {it.TYPE: it for it in Resource.__subclasses__()}
    moto_type = parsing.resource_class_from_type

    def type_of(name: str) -> Any:
        known = CustomResource if name.startswith("Custom::") else ours.get(name) or moto_type(name)
        if known is None:
            raise ValidationError(message=f"{name} is not known to this local AWS")
        return known

    parsing.resource_class_from_type = type_of
    models = [it for it in parsing.get_model_list() if it is not Resource and it.cloudformation_type() not in ours]
    parsing.get_model_list = lambda: [*models, *ours.values()]
