"""Prints everything that the account has, as JSON: python -m local_aws.inventory URL REGION

{"stacks": {name: {"status", "reasons", "outputs", "resources": {logical id: [type, physical id]}}},
 "found": {type: [physical id]}, asked of each service by itself, not of CloudFormation,
 "schedules": [as GetSchedule tells them]}
"""

import json
import sys
from typing import Any

import boto3


def main(endpoint: str, region: str) -> None:
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}

    def aws(service: str) -> Any:
        return boto3.client(service, region_name=region, endpoint_url=endpoint, **keys)

    found = found_by_services(aws)
    schedules = [aws("scheduler").get_schedule(Name=name) for name in found["AWS::Scheduler::Schedule"]]
    print(json.dumps({"stacks": stacks(aws("cloudformation")), "found": found, "schedules": schedules}, default=str))


def stacks(cloudformation: Any) -> dict[str, Any]:
    def told(stack: dict[str, Any]) -> dict[str, Any]:
        name = stack["StackName"]
        resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        return {
            "status": stack["StackStatus"],
            "reasons": [it["ResourceStatusReason"] for it in events if it["ResourceStatus"].endswith("_FAILED")],
            "outputs": {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])},
            "resources": {it["LogicalResourceId"]: [it["ResourceType"], it["PhysicalResourceId"]] for it in resources if "LogicalResourceId" in it},
        }

    return {stack["StackName"]: told(stack) for stack in cloudformation.describe_stacks()["Stacks"]}


def found_by_services(aws: Any) -> dict[str, list[str]]:
    functions = [it["FunctionName"] for it in aws("lambda").list_functions()["Functions"]]
    roles = [it["RoleName"] for it in aws("iam").list_roles()["Roles"]]
    invoked = [it for it in functions if aws("lambda").list_function_event_invoke_configs(FunctionName=it)["FunctionEventInvokeConfigs"]]
    found = {
        "AWS::CloudWatch::Alarm": [it["AlarmName"] for it in aws("cloudwatch").describe_alarms()["MetricAlarms"]],
        "AWS::CloudWatch::Dashboard": [it["DashboardName"] for it in aws("cloudwatch").list_dashboards()["DashboardEntries"]],
        "AWS::DynamoDB::GlobalTable": aws("dynamodb").list_tables()["TableNames"],
        "AWS::ECR::Repository": [it["repositoryName"] for it in aws("ecr").describe_repositories()["repositories"]],
        "AWS::IAM::Role": roles,
        "AWS::Lambda::EventInvokeConfig": invoked,
        "AWS::Lambda::EventSourceMapping": [it["UUID"] for it in aws("lambda").list_event_source_mappings()["EventSourceMappings"]],
        "AWS::Lambda::Function": functions,
        "AWS::Logs::LogGroup": [it["logGroupName"] for it in aws("logs").describe_log_groups()["logGroups"]],
        "AWS::Logs::MetricFilter": [it["filterName"] for it in aws("logs").describe_metric_filters()["metricFilters"]],
        "AWS::S3::Bucket": [it["Name"] for it in aws("s3").list_buckets()["Buckets"]],
        "AWS::SSM::Parameter": [it["Name"] for it in aws("ssm").describe_parameters()["Parameters"]],
        "AWS::Scheduler::Schedule": [it["Name"] for it in aws("scheduler").list_schedules()["Schedules"]],
    }
    return {type_: sorted(ids) for type_, ids in found.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
