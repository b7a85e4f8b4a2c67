import { PerigeeError } from "#protocol/errors.ts";
import { SAFE_HEADERS } from "../../../http/safe-headers.ts";
import type { DialectContext } from "../../dialect.ts";
import { callerIn, projectsOf } from "../caller-of-request.ts";
import type { FpgaParts } from "../parts.ts";
import { FPGA_IMAGE } from "../read-query.ts";
import { imageLog } from "./image-log.ts";

/** `GET /fpga/images/{id}/log`: a tar. @throws FPGA_IMAGE_NOT_FOUND also while the image has no log */
export async function getImageLog(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const id = c.req.param("id") ?? "";
  for (const project of FPGA_IMAGE.test(id) ? await projectsOf(callerIn(c), parts.core) : []) {
    const log = await imageLog(parts, project, id);
    if (!log) continue;
    return new Response(new Uint8Array(log.tar), {
      headers: {
        ...SAFE_HEADERS,
        "content-type": "application/x-tar",
        "content-length": String(log.tar.length),
        "content-disposition": `attachment; filename="${id}_log.tar"`,
      },
    });
  }
  throw new PerigeeError("FPGA_IMAGE_NOT_FOUND", `There is no log of an FPGA image ${id}`);
}
