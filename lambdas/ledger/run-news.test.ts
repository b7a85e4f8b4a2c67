import { expect, test } from "vitest";
import { RunNews } from "./run-news.ts";

test("who waits is told of that pod alone, once", async () => {
  const news = new RunNews();
  const ended: string[] = [];
  const wait = (pod: string) => {
    const next = news.next(pod);
    void next.promise.then(() => ended.push(pod));
    return next;
  };
  const [one, two, other] = [wait("a"), wait("a"), wait("b")];
  news.tell("a");
  await Promise.all([one.promise, two.promise]);
  expect(ended).toEqual(["a", "a"]);
  news.tell("a");
  other.cancel();
  await other.promise;
  expect(ended).toEqual(["a", "a", "b"]);
});
