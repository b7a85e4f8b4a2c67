const BASE = 0x400000n;
const HEADERS = 64 + 56;

/** Numbers of system calls: x64, arm64. */
const NUMBERS = {
  write: [1, 64],
  close: [3, 57],
  mmap: [9, 222],
  nanosleep: [35, 101],
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  sendmsg: [46, 211],
  recvfrom: [45, 207],
  bind: [49, 200],
  socketpair: [53, 199],
  setsockopt: [54, 208],
  clone: [56, 220],
  clone3: [435, 435],
  exit: [60, 93],
  ftruncate: [77, 46],
  fallocate: [285, 47],
  openat: [257, 56],
  unlinkat: [263, 35],
  io_uring_setup: [425, 425],
  close_range: [436, 436],
} as const;

/** A number, bytes (their address is passed), or what the call at that place of the list returned. */
export type Argument = number | Buffer | { result: number };
export type SystemCall = { name: keyof typeof NUMBERS; args: Argument[] };

/**
 * A program for Linux of this machine's kind, without any library, that makes the calls one after the other and then
 * writes what each returned to `/data/results` (eight bytes each, little-endian): what no shell's tool can try.
 */
export function systemCallProgram(calls: readonly SystemCall[]): Buffer {
  const results = (n: number): bigint => tableAt + BigInt(n * 8);
  const whole: SystemCall[] = [
    ...calls,
    { name: "openat", args: [-100, text("/data/results"), 0o1101, 0o666] },
    { name: "write", args: [{ result: calls.length }, 0, calls.length * 8] },
    { name: "exit", args: [0] },
  ];
  let tableAt = 0n;
  let dataAt = (_: Buffer): bigint => 0n;
  // Twice: what is before the data has the same length whatever the addresses are.
  for (let round = 0; ; round++) {
    const code = assemble(whole, results, dataAt);
    const end = BASE + BigInt(HEADERS + code.length);
    const blobs = whole.flatMap(({ args }) => args.filter((argument) => Buffer.isBuffer(argument)));
    const places = new Map<Buffer, bigint>();
    let at = end;
    for (const blob of blobs) {
      places.set(blob, at);
      at += BigInt(Math.ceil(blob.length / 8) * 8);
    }
    dataAt = (data) => places.get(data) ?? 0n;
    tableAt = (at + 7n) & ~7n;
    whole[calls.length + 1]!.args[1] = Number(tableAt);
    if (round < 2) continue;
    const data = Buffer.alloc(Number(tableAt - end));
    for (const [blob, place] of places) blob.copy(data, Number(place - end));
    return Buffer.concat([headers(HEADERS + code.length + data.length, whole.length * 8), code, data]);
  }
}

/** What each call returned: 0 or more, or the negative error number. */
export function resultsOf(file: Buffer): number[] {
  return Array.from({ length: file.length / 8 }, (_, n) => Number(file.readBigInt64LE(n * 8)));
}

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** `struct sockaddr_in`. */
export function inetAddress(address: string, port: number): Buffer {
  const out = Buffer.alloc(16);
  out.writeUInt16LE(2, 0);
  out.writeUInt16BE(port, 2);
  Buffer.from(address.split(".").map(Number)).copy(out, 4);
  return out;
}

function assemble(
  calls: readonly SystemCall[],
  results: (n: number) => bigint,
  place: (data: Buffer) => bigint,
): Buffer {
  const x64 = process.arch === "x64";
  if (!x64 && process.arch !== "arm64") throw new Error(`not known for ${process.arch}`);
  const machine = x64 ? X64 : ARM64;
  return Buffer.concat(
    calls.flatMap(({ name, args }, n) => [
      ...args.map((argument, register) => {
        if (typeof argument === "number") return machine.set(register, BigInt(argument));
        if (Buffer.isBuffer(argument)) return machine.set(register, place(argument));
        return machine.load(register, results(argument.result));
      }),
      machine.call(NUMBERS[name][x64 ? 0 : 1], results(n)),
    ]),
  );
}

const X64 = {
  set: (register: number, value: bigint) =>
    Buffer.concat([
      Buffer.from(
        [
          [0x48, 0xbf],
          [0x48, 0xbe],
          [0x48, 0xba],
          [0x49, 0xba],
          [0x49, 0xb8],
          [0x49, 0xb9],
        ][register]!,
      ),
      quad(value),
    ]),
  load: (register: number, address: bigint) =>
    Buffer.concat([
      X64.set(register, address),
      Buffer.from(
        [
          [0x48, 0x8b, 0x3f],
          [0x48, 0x8b, 0x36],
          [0x48, 0x8b, 0x12],
          [0x4d, 0x8b, 0x12],
          [0x4d, 0x8b, 0x00],
          [0x4d, 0x8b, 0x09],
        ][register]!,
      ),
    ]),
  // mov rax, number; syscall; mov rcx, address; mov [rcx], rax
  call: (number: number, address: bigint) =>
    Buffer.concat([
      Buffer.from([0x48, 0xb8]),
      quad(BigInt(number)),
      Buffer.from([0x0f, 0x05, 0x48, 0xb9]),
      quad(address),
      Buffer.from([0x48, 0x89, 0x01]),
    ]),
};

const ARM64 = {
  set: (register: number, value: bigint) =>
    instructions(
      ...[0xd2800000, 0xf2a00000, 0xf2c00000, 0xf2e00000].map(
        (move, n) => move + Number((BigInt.asUintN(64, value) >> BigInt(16 * n)) & 0xffffn) * 32 + register,
      ),
    ),
  load: (register: number, address: bigint) =>
    Buffer.concat([ARM64.set(register, address), instructions(0xf9400000 + register * 32 + register)]),
  // mov x8, number; svc; mov x9, address; str x0, [x9]
  call: (number: number, address: bigint) =>
    Buffer.concat([
      ARM64.set(8, BigInt(number)),
      instructions(0xd4000001),
      ARM64.set(9, address),
      instructions(0xf9000120),
    ]),
};

function instructions(...words: number[]): Buffer {
  const out = Buffer.alloc(words.length * 4);
  for (const [n, word] of words.entries()) out.writeUInt32LE(word, n * 4);
  return out;
}

function quad(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt.asUintN(64, value));
  return out;
}

/** An ELF header and one segment that holds the file and `extra` zeroes behind it. */
function headers(size: number, extra: number): Buffer {
  const out = Buffer.alloc(HEADERS);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(out);
  out.writeUInt16LE(2, 16);
  out.writeUInt16LE(process.arch === "x64" ? 62 : 183, 18);
  out.writeUInt32LE(1, 20);
  out.writeBigUInt64LE(BASE + BigInt(HEADERS), 24);
  out.writeBigUInt64LE(64n, 32);
  out.writeUInt16LE(64, 52);
  out.writeUInt16LE(56, 54);
  out.writeUInt16LE(1, 56);
  out.writeUInt16LE(64, 58);
  out.writeUInt32LE(1, 64);
  out.writeUInt32LE(7, 68);
  out.writeBigUInt64LE(BASE, 80);
  out.writeBigUInt64LE(BASE, 88);
  out.writeBigUInt64LE(BigInt(size), 96);
  out.writeBigUInt64LE(BigInt(size + extra), 104);
  out.writeBigUInt64LE(0x1000n, 112);
  return out;
}
