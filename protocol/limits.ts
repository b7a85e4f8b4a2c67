/** Every bound of the system in one place (docs/operations.md lists them). Sizes in bytes, times in ms. */
export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

export const LIMITS = {
  /** all files of one uplink */
  uplinkBytes: 2 * GiB,
  /** a Content-Length over this is refused unread */
  uplinkBodyBytes: 2 * GiB + 16 * MiB,
  uplinkFiles: 10_000,
  /** the JSON that describes an upload in parts */
  uplinkPlanBytes: 4 * MiB,
  /** of a delta: pieces that the file is put together from, and bytes of the manifest that names them */
  deltaPieces: 100_000,
  deltaManifestBytes: 8 * MiB,
  /** over this an uplink is better sent in parts, as `/healthz` says (a ground may have another bound) */
  partsOver: 64 * MiB,
  /** parts of an upload, unless the client asks for others */
  partBytes: 8 * MiB,
  partBytesLeast: 5 * MiB,
  partBytesMost: 64 * MiB,
  /** URLs of parts given in one answer */
  partUrls: 500,
  /** how long the URL of a part is good */
  partUrlMs: 3600_000,
  /** parts of an object that the agent sends, when each is an object of its own */
  transferChunks: 65_536,
  /** bytes of the parts that an agent may ask for, as its link is */
  chunkBytesLeast: 64 * KiB,
  chunkBytesMost: 8 * MiB,
  /** how long a part that the agent is to send may be asked for again; what nobody goes on with is forgotten then */
  transferMs: 48 * 3600_000,
  /** a body without files */
  bodyBytes: 1 * MiB,
  /** one field of an uplink's form, and how many it may have */
  fieldBytes: 64 * KiB,
  formFields: 1_000,
  /** headers of one part of a form, and how many it may have */
  partHeaderBytes: 16 * KiB,
  partHeaders: 64,
  /** a path in a volume, and one name in it (as file systems have it) */
  pathBytes: 4 * KiB,
  pathNameBytes: 255,
  /** the boundary of a multipart body; RFC 2046 allows 70, some clients write longer ones */
  boundaryBytes: 256,
  /** levels of nested JSON in a body, and of nested Python literals in a field */
  jsonDepth: 64,
  literalDepth: 32,
  /**
   * characters of the name of a user's own image: an engine counts `docker.io/library/<user>-<name>` towards its 255,
   * and a user's name has at most 32
   */
  ownImageName: 200,
  /** a field that is a word: a time, a number, a node */
  wordBytes: 256,
  /** what a run of a pod may name */
  podPorts: 64,
  /** what an image of UniK's may say it listens on: each of its instances has all of them */
  instancePorts: 32,
  podEnvs: 1_000,
  podWords: 4_096,
  podMounts: 16,
  /** what a volume may be limited to, and how large a disk in one may be */
  volumeBytes: 1024 * GiB,
  /** a pod's command, args and envs together, as the start of a process takes them on Linux */
  startBytes: 128 * KiB,
  /** a listing over this goes to staging, as does any result that takes twice as much as JSON */
  inlineResultBytes: 64 * KiB,
  /** parameters of a command, as the ledger keeps them */
  inputBytes: 192 * KiB,
  /** what the agent may say of how a command ended */
  reportBytes: 4 * MiB,
  /** a user's images and volumes, as the ledger keeps them of one edge: less than an item of DynamoDB */
  inventoryBytes: 256 * KiB,
  /** commands that one agent has at the same time, over all lanes: running, waiting for a resource, being reported */
  agentCommands: 256,
  /** of them in one message of their progress */
  progressCommands: 200,
  queuePerEdge: 100,
  queuePerUser: 20,
  /** lanes of a ground: all are raised to a new epoch in one transaction */
  lanes: 16,
  /** commands that one claim brings, as JSON */
  claimBytes: 1 * MiB,
  /** requests of one user that are open at once, waiting and streaming ones included */
  openPerUser: 200,
  /** one line of a pod's log; of a longer one the beginning stays, with a mark */
  logLineBytes: 64 * KiB,
  /** log kept of one run; older chunks go first */
  logBytes: 10 * MiB,
  /** of the log of a command, such as a build, that is over that: what is kept of its end, besides its beginning */
  logEndBytes: 2 * MiB,
  /** rows of a log in one answer */
  logRows: 10_000,
  logTailLines: 100,
  /** one line of them, with its end */
  logTailLineBytes: 4 * KiB,
  listEntries: 1_000_000,
  /** a listing inside a running pod ends there */
  liveListMs: 60_000,
  /** until a file in a running pod is open, and until a program there runs */
  liveOpenMs: 10_000,
  liveStartMs: 30_000,
  /** how long a program's control waits in a running pod for its program, after the last session there */
  liveSpareControlMs: 60_000,
  listDepth: 128,
  /** what downlinks of directories have sent, noted on the edge: paths and bytes of one, how many of a volume, */
  listingEntries: 100_000,
  listingBytes: 16 * MiB,
  listings: 8,
  /** bytes of a user's, and how long one is good */
  listingsBytes: 64 * MiB,
  listingMs: 30 * 24 * 3600_000,
  /** levels of directories that are measured, with one descriptor held for each; a deeper volume is over any quota */
  measuredDepth: 800,
  /** entries of a directory that is read as a zip: its own directory is held in memory until the end */
  zipEntries: 100_000,
  /** files of a job's outbox, and their zip */
  jobResultBytes: 2 * GiB,
  /** how long a job that has ended waits for room on the edge's disk for its zip */
  jobRoomMs: 3600_000,
  /** how long the log of a run that has ended is asked for while the engine answers each time that it has an error */
  logRefusedMs: 600_000,
  /** a Dockerfile, and one line of it (the engine's own bound) */
  dockerfileBytes: 1 * MiB,
  dockerfileLineBytes: 65_535,
  dockerfileInstructions: 10_000,
  dockerfileStages: 200,
  /** environment variables of one stage */
  dockerfileVariables: 2_000,
  /** characters of one word once its variables are expanded, and of all words */
  dockerfileWord: 65_536,
  dockerfileExpanded: 8 * MiB,
  /** a `.dockerignore` */
  ignoreFileBytes: 64 * KiB,
  /** steps of matching a build context against its `.dockerignore`: a few seconds */
  ignoreFileSteps: 200_000_000,
  /** entries and layers of an archive that is loaded; engines stack 127 layers */
  archiveEntries: 10_000,
  /** entries of an archive of sources, or of the first data of a volume */
  unpackEntries: 100_000,
  imageLayers: 127,
  /** indexes within indexes in an OCI image layout, and manifests in one of them */
  imageIndexDepth: 3,
  imageIndexManifests: 100,
  /** the config of an image that is loaded, and each other description in its archive */
  imageConfigBytes: 4 * MiB,
  /** entries of each list in an image's config: variables, labels, arguments, triggers */
  imageConfigEntries: 1000,
  imagePorts: 20_000,
  /** volumes that an image declares: each run gets a new one of each */
  imageVolumes: 64,
  /** what follows the end of a layer's tar */
  layerTrailingBytes: 1 * MiB,
  /** lines of a build's log about what its context lacks or has changed */
  contextNotes: 20,
  historyMs: 90 * 24 * 3600_000,
  idempotencyMs: 24 * 3600_000,
  /** downlinked content that nobody fetched */
  downlinkMs: 24 * 3600_000,
  heartbeatMs: 30_000,
  /** no heartbeat for this long: contact is lost */
  contactMs: 90_000,
  /** planned contact windows of one edge; how far ahead one may start, and how long it may be */
  windows: 500,
  windowAheadMs: 400 * 24 * 3600_000,
  /** characters of a ground station's name */
  windowStation: 64,
  /** bit/s that a window may promise each way */
  windowBps: 1_000_000_000_000,
  /** a waiting command that is not claimed within this is withdrawn */
  withdrawMs: 15_000,
  /** a waiting command whose waiter died expires after this */
  abandonedMs: 10 * 60_000,
  /** waiting that each step of a command's priority counts as */
  priorityStepMs: 3600_000,
  /** how far ahead a command may expire */
  expiresMs: 30 * 24 * 3600_000,
  /** an upload that never completed */
  stagingMs: 70 * 60_000,
  /** an upload in parts for which no URLs were asked */
  partsIdleMs: 2 * 3600_000,
  /** an upload in parts, however busy */
  partsMs: 24 * 3600_000,
  /** in the cloud: a removed user, a changed password, a revoked edge or agent's token ends within this */
  recentAccountMs: 10_000,
  /** byte quota per user over volumes, images and staging (default; the operator may set another) */
  quotaBytes: 20 * GiB,
  /** staging and volumes stop here, so that ledger and journal can always write */
  freeFloorBytes: 512 * MiB,
  /** environments of one edge, over all users */
  environments: 100,
  /** runners of one edge, idle and used (the operator may set another, not more) */
  runners: 200,
  /** part of them in percent that one user may have beside others with pools, and of their ports (default; the operator may set another number of runners) */
  runnersOfUserPercent: 75,
  /** runners in one message about pools: all of an edge, those that just ended among them */
  runnerReports: 1000,
  /** ports that the runners of an environment expose */
  exposedPorts: 16,
  /** ports that the runners of an edge open together (default; the operator may set another) */
  runnerPorts: 1000,
  /** what one runner may write outside of memory (default; the operator may set another) */
  runnerScratchBytes: 1 * GiB,
  /** processes and threads of one runner */
  runnerPids: 512,
  /** runners of an edge that are being started at once */
  runnerStarts: 3,
  /** pools are compared with the engine, and with the ground, this often */
  poolCompareMs: 15_000,
  /** the ground ends a runner by itself when it is this long past its inactivity timeout */
  runnerLeaveMs: 60_000,
  /** runners of a user that are gone, in one listing: the newest */
  runnersGoneListed: 1000,
  /** how long it is known why a runner ended */
  runnerEndsMs: 24 * 3600_000,
  /** how long a call waits for a runner of a pool of size 0 */
  runnerOnDemandMs: 30_000,
  /** files and directories that the volumes' file system can still take: below, pods that write are stopped */
  freeFloorEntries: 1_000,
} as const;
