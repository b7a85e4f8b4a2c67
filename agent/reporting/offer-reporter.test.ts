import { expect, test } from "vitest";
import type { EdgeOffer } from "#protocol/edge-offer.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { OfferReporter } from "./offer-reporter.ts";

test("tells what the edge can do once, again when it changes, and until it was heard", async () => {
  const told: string[][] = [];
  const warned: unknown[] = [];
  let providers = ["docker"];
  let failure: Error | undefined = new Error("no contact");
  let ms = 0;
  const reporter = new OfferReporter({
    now: () => ms,
    offer: async (): Promise<EdgeOffer> => ({ providers, compilers: [] }),
    async send(offer) {
      told.push(offer.providers);
      if (failure) throw failure;
    },
    log: { warn: (what: unknown) => warned.push(what) } as never,
  });
  await reporter.look();
  failure = undefined;
  await Promise.all([reporter.look(), reporter.look()]);
  await reporter.look();
  expect(told).toEqual([["docker"], ["docker"]]);
  expect(warned).toHaveLength(1);
  // a ground that takes none is asked again for the same after a while: it may be a newer one by then
  failure = new PerigeeError("NOT_FOUND", "no such route");
  providers = [];
  await reporter.look();
  await reporter.look();
  expect(told).toEqual([["docker"], ["docker"], []]);
  ms += 600_000;
  failure = undefined;
  await reporter.look();
  ms += 600_000;
  await reporter.look();
  expect(told).toEqual([["docker"], ["docker"], [], []]);
  expect(warned).toHaveLength(1);
});

test("a change is told though a look is under way that began before it", async () => {
  const told: string[][] = [];
  let providers = ["docker"];
  const looks: (() => void)[] = [];
  const reporter = new OfferReporter({
    async offer(): Promise<EdgeOffer> {
      const seen = providers;
      await new Promise<void>((resolve) => looks.push(resolve));
      return { providers: seen, compilers: [] };
    },
    async send(offer) {
      told.push(offer.providers);
    },
    log: { warn: (what: unknown) => expect.unreachable(String(what)) } as never,
  });
  const first = reporter.look();
  providers = ["docker", "qemu"];
  const second = reporter.changed();
  looks.shift()?.();
  await first;
  while (looks.length === 0) await new Promise((resolve) => setImmediate(resolve));
  looks.shift()?.();
  await second;
  expect(told).toEqual([["docker"], ["docker", "qemu"]]);
});
