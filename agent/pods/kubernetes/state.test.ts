import { describe, expect, test } from "vitest";
import { STOPPED } from "./names.ts";
import { hasEnded, hasStarted, isRejected, isSettled, startFailureOf, stateOf } from "./state.ts";
import type { Pod } from "./types.ts";

type Status = NonNullable<Pod["status"]>;
type State = NonNullable<NonNullable<Status["containerStatuses"]>[0]["state"]>;

const START = "2026-01-02T03:04:05Z";
const END = "2026-01-02T03:05:00Z";

function pod(status: Status = {}, metadata: Partial<Pod["metadata"]> = {}): Pod {
  return {
    metadata: { name: "run", uid: "1", resourceVersion: "1", ...metadata },
    spec: { nodeName: "node1", containers: [{ command: ["/opt/tool"] }] },
    status,
  };
}
const withState = (state: State, status: Status = {}, metadata: Partial<Pod["metadata"]> = {}) =>
  pod({ containerStatuses: [{ state, containerID: "containerd://1" }], ...status }, metadata);
const ended = (over: Partial<NonNullable<State["terminated"]>> = {}): State => ({
  terminated: { exitCode: 0, startedAt: START, finishedAt: END, ...over },
});

test("a container's end is not told before its pod's, which has the reason", () => {
  const killed = ended({ exitCode: 137, reason: "Error" });
  const early = withState(killed, { phase: "Running", startTime: START });
  expect(stateOf(early)).toHaveProperty("running");
  expect([hasStarted(early), hasEnded(early), isSettled(early), isRejected(early)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  const over = withState(killed, { phase: "Failed", reason: "Evicted", message: "The node is full" });
  expect(stateOf(over)).toMatchObject({ terminated: { reason: "Evicted", exitCode: 137 } });
  const deleted = withState(killed, { phase: "Running" }, { deletionTimestamp: END });
  expect(stateOf(deleted)).toMatchObject({ terminated: { reason: "Error", exitCode: 137 } });
});

describe("state of a run from its pod", () => {
  test.each<[string, Pod, { reason: string; exitCode: number }]>([
    ["its exit code 0", withState(ended({ reason: "Completed" })), { reason: "Completed", exitCode: 0 }],
    [
      "another exit code",
      withState(ended({ exitCode: 7, reason: "Error" })),
      { reason: "Error", exitCode: 7 },
    ],
    [
      "no memory",
      withState(ended({ exitCode: 137, reason: "OOMKilled" })),
      { reason: "OOMKilled", exitCode: 137 },
    ],
    [
      "Kubernetes' deadline, whatever it said itself",
      withState(ended(), { phase: "Failed", reason: "DeadlineExceeded" }),
      { reason: "DeadlineExceeded", exitCode: 0 },
    ],
    [
      "the agent's stop, which uses that deadline",
      withState(
        ended({ exitCode: 143, reason: "Error" }),
        { phase: "Failed", reason: "DeadlineExceeded" },
        { annotations: { [STOPPED]: "true" } },
      ),
      { reason: "Error", exitCode: 143 },
    ],
    [
      "an eviction",
      withState(ended({ exitCode: 137 }), { reason: "Evicted", message: "too much" }),
      { reason: "Evicted", exitCode: 137 },
    ],
    [
      "an eviction whose container was found dead only after it",
      withState(ended({ exitCode: 137, reason: "ContainerStatusUnknown" }), {
        reason: "Evicted",
        message: "too much",
      }),
      { reason: "Evicted", exitCode: 137 },
    ],
    [
      "a container that nobody knows any more",
      withState(ended({ exitCode: 137, reason: "ContainerStatusUnknown" })),
      { reason: "NodeLost", exitCode: 137 },
    ],
    [
      "the death of its node",
      withState(ended({ exitCode: 255, reason: "Unknown" })),
      { reason: "NodeLost", exitCode: 255 },
    ],
  ])("ended by %s", (_what, seen, wanted) => {
    expect(stateOf(seen)).toMatchObject({ terminated: { ...wanted, startedAt: START, finishedAt: END } });
    expect([hasStarted(seen), isSettled(seen)]).toEqual([true, true]);
  });

  describe("of an evicted pod, as nodes tell it", () => {
    const evicted: Status = { phase: "Failed", reason: "Evicted", message: "too much", startTime: START };
    const madeUp = {
      terminated: { exitCode: 137, reason: "ContainerStatusUnknown", message: "could not be located" },
    };
    const steps: [string, Pod][] = [
      ["lost from sight", withState({ waiting: {} }, evicted)],
      [
        "lost from sight, and its end made up",
        pod({
          ...evicted,
          containerStatuses: [{ state: { waiting: { reason: "ContainerCreating" } }, lastState: madeUp }],
        }),
      ],
      [
        "made up an end of, before the pod's is told",
        pod({
          ...evicted,
          phase: "Running",
          reason: undefined,
          containerStatuses: [{ state: madeUp, restartCount: 1, containerID: "containerd://1" }],
        }),
      ],
    ];

    test.each(steps)("its container was %s: neither lost nor refused, its end is to come", (_, seen) => {
      expect(stateOf(seen)).toEqual({ running: { startedAt: START } });
      expect([isSettled(seen), isRejected(seen), hasEnded(seen)]).toEqual([false, false, false]);
      expect(stateOf(seen, true)).toMatchObject({ terminated: { reason: "NodeLost" } });
    });

    test("its end: Evicted, with the node's words", () => {
      const seen = pod({ ...evicted, containerStatuses: [{ state: madeUp, lastState: madeUp }] });
      expect(stateOf(seen)).toMatchObject({
        terminated: { reason: "Evicted", exitCode: 137, message: "too much" },
      });
      expect(isSettled(seen)).toBe(true);
    });

    test("before its container was made: it never ran, and may be placed anew", () => {
      const seen = pod({
        ...evicted,
        containerStatuses: [{ state: { waiting: { reason: "ContainerCreating" } } }],
      });
      expect(stateOf(seen)).toMatchObject({ waiting: { reason: "Unschedulable" } });
      expect([isSettled(seen), isRejected(seen)]).toEqual([true, true]);
    });
  });

  test("a lost node: terminated, though its last word was that it runs", () => {
    const seen = withState({ running: { startedAt: START } });
    expect(stateOf(seen)).toEqual({ running: { startedAt: START } });
    expect(stateOf(seen, true)).toMatchObject({
      terminated: { reason: "NodeLost", exitCode: 255, startedAt: START, finishedAt: null },
    });
  });

  test("deleted by force, a container that ran may run yet: it is not over until its node says so, or is lost", () => {
    const seen = withState(
      { running: { startedAt: START } },
      {},
      { deletionTimestamp: END, deletionGracePeriodSeconds: 0 },
    );
    expect([isSettled(seen), hasStarted(seen)]).toEqual([false, true]);
    expect(stateOf(seen, true)).toMatchObject({ terminated: { reason: "NodeLost" } });
  });

  test("a command that is not there never ran, and no path but its own is told", () => {
    const message =
      'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/opt/tool": stat /opt/tool in /run/secret/place: no such file or directory: unknown';
    const seen = withState(
      ended({ exitCode: 128, reason: "StartError", startedAt: "1970-01-01T00:00:00Z", message }),
    );
    const state = stateOf(seen);
    expect(state).toMatchObject({ terminated: { reason: "StartError", exitCode: 128, startedAt: null } });
    expect(hasStarted(seen)).toBe(false);
    expect(startFailureOf(seen)).toContain("/opt/tool");
    expect(startFailureOf(seen)).not.toContain("secret");
  });

  test("a container that cannot be made is the payload's fault, one whose engine was slow is not", () => {
    const made = (message: string) => withState({ waiting: { reason: "CreateContainerError", message } });
    expect(startFailureOf(made("no command specified"))).toBe("no command specified");
    expect(startFailureOf(made("context deadline exceeded"))).toBeUndefined();
    expect(startFailureOf(made("failed to prepare snapshot: no space left on device"))).toBeUndefined();
    expect(startFailureOf(made('name "x" is reserved for "y"'))).toBeUndefined();
  });

  test.each([
    'exec: "/opt/connection": stat /opt/connection: no such file or directory',
    "mkdir /etc/Unavailable/x: not a directory",
    "unable to find user connection: no matching entries in passwd file",
    'exec: "a \\"already exists": executable file not found in $PATH',
  ])("a payload cannot pass for one that may start yet by what it names: %s", (message) => {
    const seen = withState({ waiting: { reason: "CreateContainerError", message } });
    expect(startFailureOf(seen)).toBeDefined();
  });

  test("a deleted pod whose container never was has not run, whatever its node makes up", () => {
    const seen = pod(
      {
        phase: "Failed",
        containerStatuses: [
          { state: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } }, restartCount: 0 },
        ],
      },
      { deletionTimestamp: END, deletionGracePeriodSeconds: 0 },
    );
    expect([hasStarted(seen), isSettled(seen)]).toEqual([false, true]);
    expect(stateOf(seen)).toEqual({ waiting: { reason: "ContainerCreating" } });
    const ran = structuredClone(seen);
    ran.status!.containerStatuses![0]!.restartCount = 1;
    expect(stateOf(ran)).toMatchObject({ terminated: { reason: "NodeLost" } });
  });

  test.each<[string, Pod, { reason: string; message?: string }]>([
    ["nothing said yet", pod(), { reason: "ContainerCreating" }],
    ["being made", withState({ waiting: { reason: "ContainerCreating" } }), { reason: "ContainerCreating" }],
    [
      "an image that is not there",
      withState({ waiting: { reason: "ErrImagePull", message: "10.1.2.3:5000/ada-x: not found" } }),
      { reason: "ImagePullBackOff", message: "The image cannot be pulled: not found" },
    ],
    [
      "no node with room",
      pod({
        conditions: [
          {
            type: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message: "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available",
          },
        ],
      }),
      { reason: "Unschedulable", message: "0/2 nodes are available: 2 Insufficient cpu." },
    ],
    [
      "a node that refused it",
      pod({ phase: "Failed", reason: "OutOfcpu", message: "Node didn't have enough resource: cpu" }),
      { reason: "Unschedulable", message: "Node didn't have enough resource: cpu" },
    ],
  ])("waiting for %s", (_what, seen, waiting) => {
    expect(stateOf(seen)).toEqual({ waiting });
    expect(hasStarted(seen)).toBe(false);
  });
});
