import { RemovalPolicy } from "aws-cdk-lib";
import {
  FlowLogDestination,
  FlowLogMaxAggregationInterval,
  GatewayVpcEndpointAwsService,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from "aws-cdk-lib/aws-ec2";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { acknowledge } from "../acknowledge.ts";
import type { Settings } from "../settings.ts";

/** Port of the server in its container. */
export const SERVER_PORT = 8080;
/** A load balancer wants two zones. */
const ZONES = 2;

/**
 * A network of two public subnets: the container has an address of its own for its way out, which costs a tenth of a
 * NAT gateway, and lets in nobody but the load balancer. S3 and DynamoDB are reached without leaving AWS.
 */
export class LiveNetwork extends Construct {
  readonly vpc: Vpc;
  /** of the load balancer: HTTPS from anywhere in, the server's port out */
  readonly front: SecurityGroup;
  /** of the container: the server's port from the load balancer in, HTTPS out */
  readonly server: SecurityGroup;

  constructor(scope: Construct, id: string, { retain }: Pick<Settings, "retain">) {
    super(scope, id);
    this.vpc = new Vpc(this, "Vpc", {
      maxAzs: ZONES,
      natGateways: 0,
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [{ name: "public", subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    const logGroup = new LogGroup(this, "FlowLogs", {
      retention: RetentionDays.ONE_WEEK,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.vpc.addFlowLog("Flow", {
      destination: FlowLogDestination.toCloudWatchLogs(logGroup),
      maxAggregationInterval: FlowLogMaxAggregationInterval.TEN_MINUTES,
    });

    const { vpc } = this;
    const group = (name: string, description: string) =>
      new SecurityGroup(this, name, { vpc, description, allowAllOutbound: false });
    this.front = group("Front", "Load balancer: HTTPS from users and agents");
    this.server = group("Server", "Server: from the load balancer alone");
    this.front.addIngressRule(Peer.anyIpv4(), Port.HTTPS, "users and agents");
    acknowledge(this.front, "EC23", "Users and agents come from anywhere; the app checks their tokens");
    this.front.addEgressRule(this.server, Port.tcp(SERVER_PORT), "to the server");
    this.server.addIngressRule(this.front, Port.tcp(SERVER_PORT), "from the load balancer");
    this.server.addEgressRule(Peer.anyIpv4(), Port.HTTPS, "AWS, and repositories that the operator lists");
  }
}
