"""An AWS account on this machine for tests of a deployment: moto's server, and what it lacks for `cdk deploy` of our stacks."""
