import {
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SqsDoorbell } from "./sqs-doorbell.ts";

type Answer = { Messages?: { ReceiptHandle: string }[] } | Error;

/** A queue whose long polls are answered when the test says so. */
let polls: { answer(answer: Answer): void; aborted: boolean }[];
let deleted: string[];
let deletes: string[];
let errors: Error[];
let bell: SqsDoorbell;

beforeEach(() => {
  [polls, deleted, deletes, errors] = [[], [], [], []];
  const client = {
    send(command: { input: object }, { abortSignal }: { abortSignal: AbortSignal }) {
      if (command instanceof ReceiveMessageCommand) {
        return new Promise((resolve, reject) => {
          const poll = {
            aborted: false,
            answer: (answer: Answer) => (answer instanceof Error ? reject(answer) : resolve(answer)),
          };
          polls.push(poll);
          abortSignal.addEventListener("abort", () => {
            poll.aborted = true;
            reject(abortSignal.reason);
          });
        });
      }
      deletes.push(command.constructor.name);
      if (command instanceof DeleteMessageCommand) deleted.push(command.input.ReceiptHandle!);
      if (command instanceof DeleteMessageBatchCommand) {
        deleted.push(...command.input.Entries!.map((entry) => entry.ReceiptHandle!));
      }
      return Promise.resolve({});
    },
  } as unknown as SQSClient;
  bell = new SqsDoorbell({
    client,
    queueUrl: "q",
    pauseMs: { first: 40, longest: 10_000 },
    random: () => 1,
    forgetMs: 50,
    youngMs: 30,
    onError: (error) => errors.push(error),
  });
});
afterEach(() => bell.close());

const ring = (...handles: string[]) => ({ Messages: handles.map((ReceiptHandle) => ({ ReceiptHandle })) });

describe("SqsDoorbell", () => {
  test("hears a ring, and deletes it soon after", async () => {
    const first = bell.wait(10_000);
    polls[0]!.answer(ring("a"));
    expect(await first).toBe(true);
    // the agent claims first
    expect(deleted).toEqual([]);
    await expect.poll(() => deleted).toEqual(["a"]);
    expect(deletes).toEqual(["DeleteMessageCommand"]);
    expect(await bell.wait(5)).toBe(false);
  });

  test("deletes several as one, and ten at once", async () => {
    for (const handles of [["a"], ["b", "c"]]) {
      const heard = bell.wait(10_000);
      polls.at(-1)!.answer(ring(...handles));
      expect(await heard).toBe(true);
    }
    await expect.poll(() => deleted).toEqual(["a", "b", "c"]);
    expect(deletes).toEqual(["DeleteMessageBatchCommand"]);
    const many = bell.wait(10_000);
    polls.at(-1)!.answer(ring(..."defghijklm"));
    expect(await many).toBe(true);
    expect(deleted.join("")).toBe("abcdefghijklm");
  });

  test("keeps one long poll over many short and aborted waits, and loses nothing that it hears", async () => {
    for (let i = 0; i < 5; i++) expect(await bell.wait(2)).toBe(false);
    const abort = new AbortController();
    const waiting = bell.wait(10_000, abort.signal);
    abort.abort();
    expect(await waiting).toBe(false);
    expect(polls).toHaveLength(1);
    expect(polls[0]!.aborted).toBe(false);
    polls[0]!.answer(ring("a"));
    expect(await bell.wait(10_000)).toBe(true);
    expect(await bell.wait(2)).toBe(false);
  });

  test("polls again after one that nobody rang", async () => {
    const waiting = bell.wait(10_000);
    polls[0]!.answer({});
    await expect.poll(() => polls.length).toBe(2);
    polls[1]!.answer(ring("a"));
    expect(await waiting).toBe(true);
  });

  test("pauses after errors, longer each time, and tells of each", async () => {
    const answering = setInterval(() => polls.at(-1)?.answer(new Error("QueueDoesNotExist")), 1);
    expect(await bell.wait(300)).toBe(false);
    clearInterval(answering);
    // pauses of 40, 80, 160: four polls at the most
    expect(polls.length).toBeGreaterThan(0);
    expect(polls.length).toBeLessThanOrEqual(4);
    expect(errors).toHaveLength(polls.length);
  });

  test("hears again once the queue is back", async () => {
    const waiting = bell.wait(30_000);
    polls[0]!.answer(new Error("QueueDoesNotExist"));
    await expect.poll(() => polls.length).toBe(2);
    polls[1]!.answer(ring("a"));
    expect(await waiting).toBe(true);
  });

  test("when contact may be back, an old poll is begun anew, a young one is not", async () => {
    const waiting = bell.wait(30_000);
    bell.again();
    expect(polls).toHaveLength(1);
    await expect
      .poll(() => {
        bell.again();
        return polls.length;
      })
      .toBeGreaterThan(1);
    expect(polls[0]!.aborted).toBe(true);
    expect(polls.at(-1)!.aborted).toBe(false);
    polls.at(-1)!.answer(ring("a"));
    expect(await waiting).toBe(true);
    expect(errors).toEqual([]);
  });

  test("when contact may be back, a pause after errors ends", async () => {
    const waiting = bell.wait(30_000);
    for (let tries = 1; tries <= 9; tries++) {
      polls.at(-1)!.answer(new Error("no contact"));
      await expect
        .poll(() => {
          bell.again();
          return polls.length;
        })
        .toBe(tries + 1);
    }
    polls.at(-1)!.answer(ring("a"));
    expect(await waiting).toBe(true);
  });

  test("ends every wait and the poll when it is closed, without a word", async () => {
    const waiting = bell.wait(30_000);
    bell.close();
    expect(await waiting).toBe(false);
    expect(polls[0]!.aborted).toBe(true);
    expect(await bell.wait(30_000)).toBe(false);
    expect(polls).toHaveLength(1);
    expect(errors).toEqual([]);
  });
});
