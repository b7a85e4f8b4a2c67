import type Docker from "dockerode";
import type { NodeKind } from "#protocol/names.ts";
import { IMAGE_LABEL, IMAGE_USER_LABEL } from "../../images/image-labels.ts";
import { argvOf, type ImageCommand } from "../argv-of-run.ts";
import { LABEL } from "../labels.ts";
import type { OpenNetwork } from "../open-network.ts";
import { DROPPED_CAPABILITIES, limitsOf, type PodLimits } from "../pod-limits.ts";
import type { RunSpec } from "../pod-runtime.ts";
import { stoppable } from "../shell-stop.ts";

/** Device files of the host that pods on a node of a kind get, for example `{ GPU: ["/dev/dri/renderD128"] }`. */
export type NodeDevices = Partial<Record<NodeKind, readonly string[]>>;

/** The request that creates the container of a run (pure). `workdir`, `entrypoint` and `cmd` are the image's own. */
export function containerOf(
  spec: RunSpec,
  context: {
    name: string;
    /** undefined: none */
    network: string | undefined;
    /** of runners with an open network */
    open: OpenNetwork;
    instance: string;
    session: string;
    workdir: string;
    limits: PodLimits;
    devices: NodeDevices;
    mounts: readonly Docker.MountSettings[];
    /** profile of system calls; undefined: the engine's own */
    seccomp: string | undefined;
  } & ImageCommand,
): Docker.ContainerCreateOptions {
  const limits = limitsOf(context.limits, spec.limits);
  const { network } = context;
  const { runner } = spec;
  const open = spec.network === "open" ? context.open : {};
  return {
    name: context.name,
    Hostname: spec.hostname ?? spec.pod,
    Image: spec.imageId,
    ...(runner ? { User: "0:0", Entrypoint: [...(spec.command ?? [])], Cmd: [] } : commandOf(spec, context)),
    Env: Object.entries(spec.envs).map(([name, value]) => `${name}=${value}`),
    ...(spec.defaultWorkdir !== undefined &&
      (context.workdir === "" || context.workdir === "/") && { WorkingDir: spec.defaultWorkdir }),
    // The contract says SIGTERM, whatever the image asks for.
    StopSignal: "SIGTERM",
    Healthcheck: { Test: ["NONE"] },
    // All of ours: a container has its image's labels too, and these take their place.
    Labels: {
      [IMAGE_LABEL]: "",
      [IMAGE_USER_LABEL]: "",
      [LABEL.instance]: context.instance,
      [LABEL.user]: spec.user,
      [LABEL.pod]: spec.pod,
      [LABEL.run]: spec.run,
      [LABEL.session]: context.session,
      ...(runner && { [LABEL.runner]: "" }),
    },
    ...(network !== undefined && {
      NetworkingConfig: {
        EndpointsConfig: {
          [network]:
            spec.network === "open"
              ? {}
              : { Aliases: [spec.pod, ...(spec.hostname === undefined ? [] : [spec.hostname])] },
        },
      },
    }),
    ...(open.hostAddress !== undefined && {
      ExposedPorts: Object.fromEntries(spec.ports.map((port) => [`${port}/tcp`, {}])),
    }),
    HostConfig: {
      NetworkMode: network ?? "none",
      // The engine's DNS would forward what it does not know; in the pod's own loopback nobody answers.
      Dns: open.dns?.length ? [...open.dns] : ["127.0.0.1"],
      ...(open.hostAddress !== undefined && {
        PortBindings: Object.fromEntries(
          // the engine chooses a port that is free
          spec.ports.map((port) => [`${port}/tcp`, [{ HostIp: open.hostAddress, HostPort: "" }]]),
        ),
      }),
      DnsSearch: ["."],
      Mounts: [...context.mounts],
      RestartPolicy: { Name: "no" },
      CapDrop: DROPPED_CAPABILITIES,
      SecurityOpt: [
        "no-new-privileges",
        ...(context.seccomp === undefined ? [] : [`seccomp=${context.seccomp}`]),
      ],
      Privileged: false,
      IpcMode: "private",
      Memory: limits.memory,
      MemorySwap: limits.memory,
      NanoCpus: Math.round((runner ? (spec.limits?.cpus ?? limits.cpus) : limits.cpus) * 1e9),
      ...(runner?.cpuShares !== undefined && { CpuShares: runner.cpuShares }),
      PidsLimit: limits.pids,
      // When memory is short the kernel takes a payload, not the agent or the engine.
      OomScoreAdj: 500,
      // Core files would fill the volume. (The engine may not be allowed to raise a limit, only to lower one.)
      Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
      Devices: (runner ? [] : [...(context.devices[spec.kind] ?? []), ...(spec.devices ?? [])]).map(
        (path) => ({
          PathOnHost: path,
          PathInContainer: path,
          CgroupPermissions: "rw",
        }),
      ),
      // It keeps bytes as they are; "json-file" replaces what is not UTF-8, as a character is that lies across its cut.
      LogConfig: runner
        ? { Type: "none", Config: {} }
        : {
            Type: "local",
            Config: { "max-size": String(Math.ceil(limits.log / 2)), "max-file": "2", compress: "false" },
          },
    },
  };
}

/** A shell is made stoppable, whoever named it: the run or its image. */
function commandOf(spec: RunSpec, image: ImageCommand): { Entrypoint?: string[]; Cmd?: string[] } {
  const shell = stoppable(argvOf(spec, image));
  if (shell) return { Entrypoint: shell };
  const args = spec.args?.length ? spec.args : undefined;
  // Kubernetes' rule is the engine's: an entrypoint drops the image's CMD, a CMD alone keeps its ENTRYPOINT.
  return {
    ...(spec.command?.length && { Entrypoint: [...spec.command] }),
    ...(args && { Cmd: [...args] }),
  };
}
