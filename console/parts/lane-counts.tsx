/** Heads of the columns of {@link LaneCounts}. */
export function LaneCountHeads() {
  return (
    <>
      <th scope="col" class="right">
        Running
      </th>
      <th scope="col" class="right">
        Waiting
      </th>
    </>
  );
}

type Counted = { running: number; width: number | null; queued: number };

/** What runs in a lane, of how many places, and what waits: two cells of a table's row. */
export function LaneCounts({ lane }: { lane: Counted }) {
  return (
    <>
      <td class="right num">
        {lane.running}
        <span class="muted"> / {lane.width ?? "–"}</span>
      </td>
      <td class="right num">{lane.queued}</td>
    </>
  );
}
