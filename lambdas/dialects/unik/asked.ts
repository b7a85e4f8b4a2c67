import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import type { Owner } from "./owner.ts";
import type { RepeatOf } from "./repeat-record.ts";

/** A request whose route and owner are known. */
export type Asked = {
  c: DialectContext;
  core: DialectCore;
  /** of a route that is about no edge, its edge is empty */
  owner: Owner;
  /** of the paths: a listener of its own has none */
  base: string;
  /** segments of the path behind the edge, decoded */
  path: readonly string[];
  /** what the route's pattern names in the path, decoded */
  named: Readonly<Record<string, string>>;
  /** the first value of each parameter */
  query: ReadonlyMap<string, string>;
  /** of a changing call that is joined with its repeats */
  repeat?: RepeatOf;
  /** Its work goes on here when its command has ended: it waits for that whatever it prefers, and takes no key. */
  endsHere?: true;
};

export type Handle = (asked: Asked) => Promise<Response>;
