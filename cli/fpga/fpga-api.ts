import type { Client } from "../client.ts";
import { CliFailure, usage } from "../failure.ts";

/** An FPGA image as the ground lists it. */
export type FpgaImage = {
  id: string;
  name: string;
  status: string;
  size: number;
  createdAt: string;
  protected: boolean;
  message: string | null;
  format: string | null;
  [field: string]: unknown;
};

export type Association = { image_id: string; fpgaimages: FpgaImage[] };

const ID = /^[0-9a-f]{32}$/;

/** The images of the user's project on one edge. */
export class FpgaApi {
  readonly project: string;
  readonly #client: Client;

  private constructor(client: Client, project: string) {
    this.#client = client;
    this.project = project;
  }

  /** @throws CliFailure when the ground has no FPGA images, or the edge has to be named */
  static async open(client: Client): Promise<FpgaApi> {
    const { edge } = client.options;
    const query = edge === undefined ? "" : `?name=${encodeURIComponent(edge)}`;
    const body = await client.json({ method: "GET", path: `/v3/projects${query}` });
    const projects = (body.projects ?? []) as { id: string; name: string }[];
    const [only, other] = projects;
    if (!only) throw new CliFailure("EDGE_NOT_FOUND", `you have no edge ${edge ?? ""}`.trim());
    if (other)
      throw usage(
        `you have several edges: name one with --edge (${projects.map(({ name }) => name).join(", ")})`,
      );
    return new FpgaApi(client, only.id);
  }

  get base(): string {
    return `/v1/${this.project}/cloudservers/fpga_image`;
  }

  async images(): Promise<FpgaImage[]> {
    const body = await this.#client.json({ method: "GET", path: `${this.base}/detail` });
    return (body.fpgaimages ?? []) as FpgaImage[];
  }

  /** The image of that id, or the only one of that name. @throws CliFailure FPGA_IMAGE_NOT_FOUND; USAGE for several */
  async image(wanted: string): Promise<FpgaImage> {
    const all = await this.images();
    const found = ID.test(wanted)
      ? all.filter(({ id }) => id === wanted)
      : all.filter(({ name }) => name === wanted);
    const [only, other] = found;
    if (!only) throw new CliFailure("FPGA_IMAGE_NOT_FOUND", `you have no FPGA image ${wanted}`);
    if (other)
      throw usage(
        `${found.length} images have this name, choose by id: ${found.map(({ id }) => id).join(", ")}`,
      );
    return only;
  }

  async associations(image: string): Promise<Association[]> {
    const path = `${this.base}/associations?fpga_image_id=${image}`;
    return ((await this.#client.json({ method: "GET", path })).associations ?? []) as Association[];
  }
}
