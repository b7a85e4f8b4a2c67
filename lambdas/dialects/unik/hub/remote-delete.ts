import { killPoint } from "#protocol/kill-point.ts";
import { optimistically } from "../../../ports/optimistically.ts";
import { textAnswer } from "../answers.ts";
import type { Asked, Handle } from "../asked.ts";
import { notFound } from "../lookup.ts";
import { isName, NAME_LENGTH } from "../names.ts";
import { ForeignEntries } from "./foreign-entries.ts";
import { goneWrite, removeGoneSoon } from "./gone.ts";
import { type ForeignHub, hubOf } from "./hub-of.ts";
import { type HubEntry, hubKeys } from "./hub-records.ts";

/** `POST /images/remote-delete/{x}`: of the hub alone, by its exact name; it needs no image here, and no edge */
export const remoteDelete: Handle = async (asked) => {
  const { core, named, repeat } = asked;
  const name = named.image!;
  // no entry has such a name, and the store may not even be asked for it
  if (name.length > NAME_LENGTH) throw notFound("image", name);
  const hub = await hubOf(asked);
  if (await repeat?.earlier()) return textAnswer("", 202);
  if ("foreign" in hub) return deleteElsewhere(asked, hub.foreign, name);
  const { uid } = hub.own;
  await optimistically(async () => {
    const entry = await core.records.get<HubEntry>(hubKeys.entry({ uid, name }));
    if (!entry) throw notFound("image", name);
    await core.records.transact([
      { delete: hubKeys.entry({ uid, name }), if: entry.rev },
      { delete: hubKeys.listed({ uid, name }) },
      goneWrite(entry.data.key, core.now()),
      ...(repeat ? [repeat.write()] : []),
    ]);
    repeat?.written();
  });
  killPoint("hub.deleted");
  await removeGoneSoon(core);
  return textAnswer("", 202);
};

async function deleteElsewhere(
  { core, owner, repeat }: Asked,
  hub: ForeignHub,
  name: string,
): Promise<Response> {
  if (!isName(name)) throw notFound("image", name);
  const entries = await ForeignEntries.open(core, hub);
  try {
    if (!(await entries.remove({ user: owner.user, name }))) throw notFound("image", name);
  } finally {
    entries.close();
  }
  if (repeat) {
    await core.records.transact([repeat.write()]);
    repeat.written();
  }
  return textAnswer("", 202);
}
