import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { iam, KafkaCluster, none, plain, scram, tls } from 'millrace/cdk'

declare const vpc: IVpc
declare const secret: ISecret
const arn = 'arn:aws:kafka:eu-west-1:111122223333:cluster/demo/0a1b2c3d'

// Each kind of cluster takes the kinds of authentication that it knows.
KafkaCluster.msk(arn, { auth: iam, vpc })
KafkaCluster.msk(arn, { auth: scram(secret), vpc })
KafkaCluster.msk(arn, { auth: tls(secret), vpc })
KafkaCluster.mskServerless(arn, { vpc })
KafkaCluster.selfManaged(['a:9092'], { auth: plain(secret) })
KafkaCluster.selfManaged(['a:9092'], { auth: none, vpc })

// @ts-expect-error MSK has no SASL/PLAIN
KafkaCluster.msk(arn, { auth: plain(secret), vpc })

// @ts-expect-error functions reach MSK from its VPC only
KafkaCluster.msk(arn, { auth: iam })

// @ts-expect-error MSK Serverless knows IAM only, so there is nothing to choose
KafkaCluster.mskServerless(arn, { auth: iam, vpc })

// @ts-expect-error IAM is MSK's
KafkaCluster.selfManaged(['a:9092'], { auth: iam })
