import { describe } from "vitest";
import { testFiles } from "./pod-sessions/files.ts";
import { testPrograms } from "./pod-sessions/programs.ts";
import { type SessionsFixture, SessionsRig } from "./pod-sessions/sessions-rig.ts";

/** Every PodSessions passes this unchanged. */
export function podSessionsConformance(name: string, create: () => Promise<SessionsFixture>): void {
  describe(`PodSessions conformance: ${name}`, () => {
    const rig = new SessionsRig(create);
    testPrograms(rig);
    testFiles(rig);
  });
}
