const WORDS: Record<string, string> = {
  em: "EM",
  kabuto: "Kabuto",
  poseidon: "Poseidon",
  fpga: "FPGA",
  unik: "UniK",
};

/** Which API made what goes through a lane: a lane has its API's name, with more behind a hyphen. */
export function dialectWord(lane: string): string {
  return WORDS[lane.split("-")[0] ?? ""] ?? lane;
}

/** The API that a pod is of, where its name says so behind a dot. */
export function dialectOfPod(name: string): string | undefined {
  return name.split(".")[1];
}
