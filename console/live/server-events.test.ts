import { expect, test } from "vitest";
import { ServerEvents } from "./server-events.ts";

const TEXT = 'event: beat\ndata: {"a":1}\n\n: nothing\n\nevent: edge\ndata: {"b":"x: y"}\n\n';
const EVENTS = [
  { event: "beat", data: '{"a":1}' },
  { event: "edge", data: '{"b":"x: y"}' },
];

test("events come out whole wherever the text is cut", () => {
  for (let cut = 0; cut <= TEXT.length; cut++) {
    const events = new ServerEvents();
    expect([...events.push(TEXT.slice(0, cut)), ...events.push(TEXT.slice(cut))]).toEqual(EVENTS);
  }
});

test("what is not whole yet is held back", () => {
  expect(new ServerEvents().push(TEXT.slice(0, -1))).toEqual(EVENTS.slice(0, 1));
});
