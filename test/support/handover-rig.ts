import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import Docker from "dockerode";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { NeededImage } from "#agent/images/handover/image-handover.ts";
import { RegistryHandover, type RegistryHandoverOptions } from "#agent/images/handover/registry-handover.ts";
import { makeBusyboxImage } from "./base-image.ts";
import { FakeRegistry } from "./fake-registry.ts";

/** A handover between the real engine and a registry of its own, with names of its own in the engine. */
export class HandoverRig {
  readonly docker = new Docker();
  readonly id = randomBytes(4).toString("hex");
  readonly ada = `a${this.id}`;
  readonly bob = `b${this.id}`;
  /** names in the engine that go with the rig */
  readonly made: string[] = [];
  /** ID of the image that all others stand on */
  base!: string;
  registry!: FakeRegistry;
  database!: DatabaseSync;
  handover!: RegistryHandover;
  /** repository of each user's image */
  names = new Map<string, string>();
  /** `<user> <image ID>` */
  inUse = new Set<string>();
  collected = 0;

  async setUp(): Promise<void> {
    const name = `perigee-test/handover-${this.id}:latest`;
    this.base = await makeBusyboxImage(this.docker, name);
    this.made.push(name);
  }

  async tearDown(): Promise<void> {
    for (const name of this.made) await this.docker.getImage(name).remove({ force: true });
  }

  /** An empty registry, and a handover that knows nothing. */
  async begin(): Promise<void> {
    this.registry = await FakeRegistry.start();
    this.database = new DatabaseSync(":memory:");
    this.names = new Map([[this.ada, `${this.ada}-tool`]]);
    this.inUse = new Set();
    this.collected = 0;
    this.handover = this.open();
  }

  async end(): Promise<void> {
    await this.handover.close();
    await this.registry.close();
    this.database.close();
  }

  open(options: Partial<RegistryHandoverOptions> = {}): RegistryHandover {
    return new RegistryHandover({
      docker: this.docker,
      database: this.database,
      instance: `test${this.id}`,
      pull: "registry.onboard:5000",
      push: this.registry.address,
      password: this.registry.password,
      maxBytes: 1024 ** 3,
      collect: async () => {
        this.collected++;
      },
      repositoryOf: async ({ user }) => this.names.get(user),
      isInUse: ({ user, imageId }) => this.inUse.has(`${user} ${imageId}`),
      ...options,
    });
  }

  /** A small image of its own: the base with a layer on it. */
  async build(name: string): Promise<string> {
    const Env = [`NAME=${name}`];
    const container = await this.docker.createContainer({ Image: this.base, Cmd: ["true"], Env });
    try {
      const repo = `perigee-test/${name}-${this.id}`;
      const { Id } = await container.commit({ repo, tag: "latest" });
      this.made.push(`${repo}:latest`);
      return Id;
    } finally {
      await container.remove({ force: true });
    }
  }

  needed(user: string, imageId = this.base): NeededImage {
    return { user, imageId };
  }

  async tagsOf(imageId: string): Promise<string[]> {
    return (await this.docker.getImage(imageId).inspect()).RepoTags;
  }
}

/** A rig for the tests of one file: set up before them, with an empty registry for each. */
export function handoverRig(): HandoverRig {
  const rig = new HandoverRig();
  beforeAll(() => rig.setUp());
  afterAll(() => rig.tearDown());
  beforeEach(() => rig.begin());
  afterEach(() => rig.end());
  return rig;
}
