/** What an archive says about its images; about a single one also where its parts are. */
export type DescribedImages =
  | { images: 1; tags: string[]; config: string; layers: string[] }
  | { images: number; tags: string[]; config?: undefined };
