import { expect, test } from "vitest";
import { TcpBytes } from "./tcp-bytes.ts";

function packet(sequence: number, data: number, { port = 1, syn = false, protocol = 6 } = {}): Buffer {
  const bytes = Buffer.alloc(40 + data);
  bytes[0] = 0x45;
  bytes.writeUInt16BE(bytes.length, 2);
  bytes[9] = protocol;
  bytes.writeUInt16BE(port, 20);
  bytes.writeUInt32BE(sequence, 24);
  bytes[32] = 5 << 4;
  bytes[33] = syn ? 2 : 0x10;
  return bytes;
}

test("a byte counts once, whatever TCP repeats and in whatever order it comes", () => {
  const tcp = new TcpBytes();
  tcp.see(packet(999, 0, { syn: true }));
  tcp.see(packet(1000, 100));
  tcp.see(packet(1000, 100));
  tcp.see(packet(1200, 100));
  tcp.see(packet(1100, 100));
  tcp.see(packet(1250, 100));
  expect(tcp.bytes).toBe(350);
});

test("each connection counts for itself, and a new one on the same ports anew", () => {
  const tcp = new TcpBytes();
  tcp.see(packet(10, 50));
  tcp.see(packet(10, 50, { port: 2 }));
  tcp.see(packet(4, 0, { syn: true }));
  tcp.see(packet(5, 50));
  expect(tcp.bytes).toBe(150);
});

test("numbers that go round at 2^32 go on", () => {
  const tcp = new TcpBytes();
  tcp.see(packet(2 ** 32 - 50, 50));
  tcp.see(packet(0, 50));
  expect(tcp.bytes).toBe(100);
});

test("what is no TCP, or not whole, is not counted", () => {
  const tcp = new TcpBytes();
  tcp.see(packet(10, 50, { protocol: 17 }));
  tcp.see(packet(10, 50).subarray(0, 60));
  tcp.see(Buffer.from([0x60, 0, 0]));
  expect(tcp.bytes).toBe(0);
});
