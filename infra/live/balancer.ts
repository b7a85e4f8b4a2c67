import { Duration } from "aws-cdk-lib";
import type { FargateService } from "aws-cdk-lib/aws-ecs";
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  type ApplicationTargetGroup,
  ListenerCertificate,
  SslPolicy,
} from "aws-cdk-lib/aws-elasticloadbalancingv2";
import { Construct } from "constructs";
import { acknowledge } from "../acknowledge.ts";
import type { LiveSettings } from "../settings.ts";
import { type LiveNetwork, SERVER_PORT } from "./network.ts";

/** How long a connection may stand still: the load balancer's maximum. Some waits send nothing for minutes. */
export const IDLE = Duration.seconds(4000);

export type LiveBalancerProps = LiveSettings & { network: LiveNetwork; service: FargateService };

/** The load balancer in front of the one container, with TLS. */
export class LiveBalancer extends Construct {
  readonly balancer: ApplicationLoadBalancer;
  readonly targets: ApplicationTargetGroup;

  constructor(scope: Construct, id: string, { certificateArn, network, service }: LiveBalancerProps) {
    super(scope, id);
    this.balancer = new ApplicationLoadBalancer(this, "Balancer", {
      vpc: network.vpc,
      internetFacing: true,
      securityGroup: network.front,
      idleTimeout: IDLE,
      dropInvalidHeaderFields: true,
      preserveHostHeader: true,
    });
    acknowledge(
      this.balancer,
      "ELB2",
      "Its access log has whole URLs, and those of live sessions hold tickets; the server's own log is without them",
    );
    const listener = this.balancer.addListener("Https", {
      port: 443,
      protocol: ApplicationProtocol.HTTPS,
      certificates: [ListenerCertificate.fromArn(certificateArn)],
      sslPolicy: SslPolicy.TLS13_RES,
      open: false,
    });
    this.targets = listener.addTargets("Server", {
      port: SERVER_PORT,
      protocol: ApplicationProtocol.HTTP,
      targets: [service],
      healthCheck: {
        path: "/healthz",
        interval: Duration.seconds(15),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 4,
      },
      // a new version waits for the old one's end: what is open then is cut, and every client comes again
      deregistrationDelay: Duration.seconds(10),
    });
  }
}
