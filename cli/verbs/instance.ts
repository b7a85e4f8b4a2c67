import { type Command, InvalidArgumentError } from "commander";
import { collect, query, variable, wholeNumber } from "../options.ts";
import { bytes, safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { showInstanceLog } from "../unik/instance-log.ts";
import { UnikApi } from "../unik/unik-api.ts";

type Instance = {
  Id: string;
  Name: string;
  State: string;
  IpAddress: string;
  ImageId: string;
  Infrastructure: string;
  Created: string;
  Reason?: string;
  ExitCode?: number;
};
type Image = {
  Name: string;
  SizeMb: number;
  Created: string;
  RunSpec: { Compiler: string; DeviceMappings: { MountPoint: string }[] };
};
type RunOptions = {
  name?: string;
  mount?: [string, string][];
  env?: [string, string][];
  memory?: number;
  cleanup?: boolean;
};

const pathOf = (name: string) => `/instances/${encodeURIComponent(name)}`;

/** `perigee instance …`: what runs images that were made of sources, and stops and starts again. */
export function registerInstance(program: Command): void {
  const instance = program.command("instance").description("instances of images: UniK's API");
  instance
    .command("run")
    .description("run an image of yours as a new instance")
    .argument("<image>")
    .option("--name <name>", "its name (default: one made of the image's)")
    .option("--mount <path=volume>", "volume for a mount point of the image; repeatable", collect(mount))
    .option(
      "-e, --env <key=value>",
      "environment variable; KEY alone passes on your own; repeatable",
      collect(variable),
    )
    .option("--memory <MiB>", "memory (default: the image's)", wholeNumber(1))
    .option("--no-cleanup", "keep one that cannot start")
    .action(action<[string], RunOptions>(run));
  instance.command("ls").description("list your instances").action(action<[], object>(list));
  for (const [verb, text, done] of [
    ["start", "start a stopped instance again, with the volumes that it has now", "Started"],
    ["stop", "stop an instance: it is asked to end, and killed after 10 s", "Stopped"],
  ] as const) {
    instance
      .command(verb)
      .description(text)
      .argument("<instance>", "name or id")
      .action(
        action<[string], object>(async ({ client, output }, [name]) => {
          const api = new UnikApi(client);
          await api.change({ method: "POST", path: `${pathOf(name)}/${verb}` });
          output.result({ data: await api.get<Instance>(pathOf(name)) }, () => `${done} ${safe(name)}`);
        }),
      );
  }
  instance
    .command("rm")
    .description("remove an instance with its logs; its volumes stay")
    .argument("<instance>", "name or id")
    .option("--force", "also one that runs: it is killed")
    .action(action<[string], { force?: boolean }>(remove));
  instance
    .command("images")
    .description("list the images that your instances are made of")
    .action(action<[], object>(images));
  instance
    .command("rmi")
    .description("delete an image that instances are made of")
    .argument("<image>")
    .option("--force", "with its instances, also those that run")
    .action(
      action<[string], { force?: boolean }>(async ({ client, output }, [name], { force }) => {
        const path = `/images/${encodeURIComponent(name)}${query({ force })}`;
        await new UnikApi(client).change({ method: "DELETE", path });
        output.result({ message: "Image deleted" }, () => `Deleted ${safe(name)}`);
      }),
    );
  instance
    .command("logs")
    .description("show what an instance wrote")
    .argument("<instance>", "name or id")
    .option("-f, --follow", "follow it until it ends")
    .option("--previous", "of the run before its last start")
    .action(
      action<[string], { follow?: boolean; previous?: boolean }>((session, [name], options) =>
        showInstanceLog(session, `${pathOf(name)}/logs${query(options)}`),
      ),
    );
}

async function run({ client, output }: Session, [image]: [string], options: RunOptions): Promise<undefined> {
  const { name, mount = [], env = [], memory, cleanup } = options;
  const json = {
    ImageName: image,
    ...(name !== undefined && { InstanceName: name }),
    Mounts: Object.fromEntries(mount),
    Env: Object.fromEntries(env),
    MemoryMb: memory ?? 0,
    NoCleanup: cleanup === false,
  };
  const made = await new UnikApi(client).change({ method: "POST", path: "/instances/run", json });
  const { Name, Id, State, IpAddress } = made as unknown as Instance;
  output.result({ data: made }, () =>
    [`${safe(Name)} (${safe(Id)}) is ${safe(State)}`, IpAddress && `at ${safe(IpAddress)}`]
      .filter(Boolean)
      .join(" "),
  );
}

async function list({ client, output }: Session): Promise<undefined> {
  const found = await new UnikApi(client).get<Instance[]>("/instances");
  output.result({ data: found }, () =>
    found.length === 0
      ? "You have no instances"
      : output.table(
          ["INSTANCE", "ID", "STATE", "ADDRESS", "IMAGE", "PROVIDER", "CREATED"],
          found.map((one) => [
            one.Name,
            one.Id,
            one.Reason === undefined ? one.State : `${one.State} (${one.Reason})`,
            one.IpAddress,
            one.ImageId,
            one.Infrastructure.toLowerCase(),
            time(one.Created),
          ]),
          { cut: [0, 4] },
        ),
  );
}

async function images({ client, output }: Session): Promise<undefined> {
  const found = await new UnikApi(client).get<Image[]>("/images");
  output.result({ data: found }, () =>
    found.length === 0
      ? "You have no images of sources: perigee compile"
      : output.table(
          ["IMAGE", "COMPILER", "SIZE", "MOUNTS", "CREATED"],
          found.map(({ Name, SizeMb, Created, RunSpec: { Compiler, DeviceMappings } }) => [
            Name,
            Compiler,
            bytes(SizeMb * 1024 ** 2),
            DeviceMappings.map(({ MountPoint }) => MountPoint)
              .filter((at) => at !== "/")
              .join(" "),
            time(Created),
          ]),
          { cut: [0] },
        ),
  );
}

async function remove(
  { client, output }: Session,
  [name]: [string],
  { force }: { force?: boolean },
): Promise<undefined> {
  await new UnikApi(client).change({ method: "DELETE", path: `${pathOf(name)}${query({ force })}` });
  output.result({ message: "Instance removed" }, () => `Removed ${safe(name)}`);
}

function mount(text: string): [string, string] {
  const [, at, volume] = /^(\/[^=]+)=(.+)$/.exec(text) ?? [];
  if (at && volume) return [at, volume];
  throw new InvalidArgumentError("A mount looks like this: /data=VOLUME.");
}
