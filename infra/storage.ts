import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { AttributeType, BillingMode, Table, TableEncryption } from "aws-cdk-lib/aws-dynamodb";
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  HttpMethods,
  ObjectOwnership,
} from "aws-cdk-lib/aws-s3";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import type { Settings } from "./settings.ts";

/** Days. The ground itself deletes objects much earlier; these rules are for what it missed. */
const ABANDONED_PARTS = 2;
/** An uplink may wait for contact in an edge's queue as long as history is kept. */
const UPLINKS = 90;
const DOWNLINKS = 2;
const LOGS = 365;
const ACCESS_LOGS = 90;

/** Seconds for which a browser remembers what it may send. */
const ASKED_AGAIN = 3600;

/** What dialects that keep users' objects have beside: the objects' bucket, and the secret that seals users' secrets. */
export type ObjectStorage = { bucket: Bucket; sealSecret: Secret };

/** The storage of a deployment: the ledger's table, staging's bucket, the secret that signs tokens. */
export class Storage extends Construct {
  readonly table: Table;
  readonly bucket: Bucket;
  readonly tokenSecret: Secret;
  readonly objects?: ObjectStorage;

  constructor(
    scope: Construct,
    id: string,
    { retain, dialects, objects }: Pick<Settings, "retain" | "dialects" | "objects">,
  ) {
    super(scope, id);
    const removalPolicy = retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
    this.table = new Table(this, "Table", {
      partitionKey: { name: "pk", type: AttributeType.STRING },
      sortKey: { name: "sk", type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.DEFAULT,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      timeToLiveAttribute: "ttl",
      deletionProtection: retain,
      removalPolicy,
    });

    const secure = {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      removalPolicy,
    };
    const accessLogs = new Bucket(this, "AccessLogs", {
      ...secure,
      lifecycleRules: [{ expiration: Duration.days(ACCESS_LOGS) }],
    });
    const abandonedParts = {
      id: "abandoned-parts",
      abortIncompleteMultipartUploadAfter: Duration.days(ABANDONED_PARTS),
    };
    const forgotten = (prefix: string, days: number) => ({
      id: `forgotten-${prefix}`,
      prefix: `${prefix}/`,
      expiration: Duration.days(days),
    });
    this.bucket = new Bucket(this, "Staging", {
      ...secure,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: "staging/",
      cors: [
        {
          // The console's files. The signed URL is all the right that there is, whichever page sends it: no cookie
          // and no other secret of a browser's goes to S3
          allowedOrigins: ["*"],
          allowedMethods: [HttpMethods.GET, HttpMethods.HEAD, HttpMethods.PUT],
          allowedHeaders: ["*"],
          exposedHeaders: ["Content-Disposition", "Content-Length", "Content-Range", "ETag"],
          maxAge: ASKED_AGAIN,
        },
      ],
      lifecycleRules: [
        abandonedParts,
        forgotten("uplink", UPLINKS),
        forgotten("downlink", DOWNLINKS),
        forgotten("logs", LOGS),
        ...dialects
          .flatMap(({ stagingPrefixes = [] }) => stagingPrefixes)
          // what lives as long as its owner's record has no end
          .flatMap(({ prefix, expireDays }) =>
            expireDays === undefined ? [] : forgotten(prefix, expireDays),
          ),
        // what is under kept/ lives as long as its owner's record: no rule ends it
      ],
    });

    const secret = (name: string, description: string) => {
      const made = new Secret(this, name, {
        description: `${description}. Put a new value to rotate it; the one before stays valid`,
        generateSecretString: { passwordLength: 64, excludePunctuation: true },
        removalPolicy,
      });
      acknowledge(
        made,
        "SMG4",
        "Rotated by putting a new value (docs/deploy.md): rotation needs no code of its own, as AWSPREVIOUS is still accepted",
      );
      return made;
    };
    this.tokenSecret = secret("TokenSecret", "Signs the tokens of Perigee's users");
    if (objects) {
      this.objects = {
        bucket: new Bucket(this, "Objects", {
          ...secure,
          serverAccessLogsBucket: accessLogs,
          serverAccessLogsPrefix: "objects/",
          // an object is there until its user removes it
          lifecycleRules: [abandonedParts],
        }),
        sealSecret: secret("SealSecret", "Seals the secrets of Perigee's access keys"),
      };
    }
  }
}
