import { beforeAll, describe, expect, test } from "vitest";
import { environment, me, other, runner } from "./support/session.ts";

let path: string;
beforeAll(async () => {
  path = await runner(await environment());
}, 300_000);

describe("one execution", () => {
  test("true is exactly a start, an exit and a close", async () => {
    const { messages, closed } = await me.run(path, "true");
    expect(messages).toEqual([{ type: "start" }, { type: "exit", data: 0 }]);
    expect(await closed).toEqual({ code: 1000, reason: "" });
  });

  test("output comes before the exit, streams apart, lines as a terminal writes them", async () => {
    const execution = await me.run(path, "echo out; echo err >&2; exit 7");
    expect(execution.text("stdout")).toBe("out\r\n");
    expect(execution.text("stderr")).toBe("err\r\n");
    expect(execution.messages[0]).toEqual({ type: "start" });
    expect(execution.end).toEqual({ type: "exit", data: 7 });
  });

  test("a signal is 128 and its number; no command exits 0", async () => {
    expect((await me.run(path, "kill -9 $$")).end).toEqual({ type: "exit", data: 137 });
    expect((await me.run(path, "")).end).toEqual({ type: "exit", data: 0 });
    expect((await me.run(path, "no-such-program-here")).end).toEqual({ type: "exit", data: 127 });
  });

  test("stdin is a terminal with echo", async () => {
    const execution = me.connect(await me.execute(path, { command: "head -n 1" }));
    await execution.until(({ messages }) => messages.length > 0);
    execution.socket.send("Hello World!\n");
    await execution.closed;
    expect(execution.text("stdout")).toBe("Hello World!\r\nHello World!\r\n");
    expect(execution.end).toEqual({ type: "exit", data: 0 });
  });

  test("Ctrl-D ends the input; a binary frame does, too, for what follows, and not the execution", async () => {
    const cat = me.connect(await me.execute(path, { command: "cat > /dev/null; echo done" }));
    await cat.until(({ messages }) => messages.length > 0);
    cat.socket.send("\u0004");
    await cat.closed;
    expect(cat.text("stdout")).toContain("done\r\n");
    const read = me.connect(await me.execute(path, { command: "read -t 3 line; echo got:$line" }));
    await read.until(({ messages }) => messages.length > 0);
    read.socket.send(Buffer.from("binary\n"));
    read.socket.send("late\n");
    await read.closed;
    expect(read.text("stdout")).toBe("got:\r\n");
  });

  test("the command is one argument, in the working directory, as user", async () => {
    const command = 'printf "%s|" "$(pwd)" "$(whoami)" "$HOME" "$USER" "$LOGNAME" \\\n`echo "a  b"`';
    const execution = await me.run(path, command);
    expect(execution.text("stdout")).toBe("/workspace|user|/workspace|user|user|a|b|");
    const root = await me.run(path, 'echo "$(id -un):$HOME"', { privilegedExecution: true });
    expect(root.text("stdout")).toBe("root:/root\r\n");
  });

  test("variables come as they are, CODEOCEAN is forced, nothing of ours is there", async () => {
    const variables = { A: 'a b\n$HOME `x` "q" \\', X: "1", CODEOCEAN: "no" };
    const execution = await me.run(
      path,
      'printf "%s|" "$A" "$X" "$CODEOCEAN"; env -0 | tr "\\0" "\\n" | cut -d= -f1',
      {
        environment: variables,
      },
    );
    expect(execution.text("stdout")).toContain('a b\r\n$HOME `x` "q" \\|1|true|');
    expect(execution.text("stdout")).not.toMatch(/^(AWS|NOMAD_|PERIGEE_|KUBERNETES_)/m);
  });

  test("names of variables are free, and a PATH is the command's alone", async () => {
    const names = await me.run(path, "printenv a-b 1", { environment: { "a-b": "x y", "1": "z" } });
    expect(names.text("stdout")).toBe("x y\r\nz\r\n");
    const search = await me.run(path, "echo $PATH", { environment: { PATH: "/nowhere" } });
    expect([search.text("stdout"), search.end]).toEqual(["/nowhere\r\n", { type: "exit", data: 0 }]);
  });

  test("stdin and stdout are a terminal without a size, stderr is none", async () => {
    const { text } = await me
      .run(path, "test -t 0 && test -t 1 && ! test -t 2 && tty -s && stty size")
      .then((execution) => ({ text: execution.text("stdout") }));
    expect(text).toBe("0 0\r\n");
  });

  test("who stays behind with the streams open is not waited for", async () => {
    const execution = await me.run(path, "sleep 600 & echo done");
    expect(execution.text("stdout")).toBe("done\r\n");
    expect(execution.end).toEqual({ type: "exit", data: 0 });
  });

  test("a child that writes on after its program's end does not hold the end up", async () => {
    const execution = await me.run(path, "(while :; do echo child; sleep 0.1; done) & echo own; exit 3");
    expect(execution.text("stdout")).toContain("own\r\n");
    expect(execution.messages.filter(({ type }) => type === "exit")).toEqual([{ type: "exit", data: 3 }]);
    expect(execution.end).toEqual({ type: "exit", data: 3 });
  });

  test("characters arrive whole", async () => {
    const execution = await me.run(path, "printf '\\342' 2>/dev/null || true".replaceAll("'", '"'));
    expect(execution.text("stdout")).toBe("\ufffd");
    const euro = await me.run(path, 'printf "\\xe2"; sleep 0.2; printf "\\x82\\xac"');
    expect(euro.text("stdout")).toBe("€");
  });

  test("up to 16 run at once, each with a terminal of its own", async () => {
    const all = await Promise.all(Array.from({ length: 6 }, (_, n) => me.run(path, `sleep 0.5; echo ${n}`)));
    expect(all.map((one) => one.text("stdout"))).toEqual(Array.from({ length: 6 }, (_, n) => `${n}\r\n`));
  });
});

test("16 sessions are open in one runner, and no more", async () => {
  const own = await runner(await environment());
  const all = await Promise.all(
    Array.from({ length: 16 }, async () => me.connect(await me.execute(own, { command: "echo on; cat" }))),
  );
  await Promise.all(all.map((one) => one.until(() => one.text("stdout").includes("on"))));
  const url = await me.execute(own, { command: "true" });
  const over = me.connect(url);
  await over.closed;
  expect(over.refusal?.status).toBe(500);
  expect(JSON.parse(over.refusal?.text ?? "")).toEqual({
    message: expect.any(String),
    errorCode: "NOMAD_OVERLOAD",
  });
  for (const one of all) one.socket.send("\u0004");
  await Promise.all(all.map(({ closed }) => closed));
  expect(all.map(({ end }) => end)).toEqual(Array(16).fill({ type: "exit", data: 0 }));
  const again = me.connect(url);
  await again.closed;
  expect(again.end).toEqual({ type: "exit", data: 0 });
});

describe("the end of time", () => {
  test("at the limit timeout is the last message, and a program that ends then leaves its runner alive", async () => {
    const execution = await me.run(path, "echo before; sleep 60", { timeLimit: 1 });
    expect(execution.text("stdout")).toBe("before\r\n");
    expect(execution.end).toEqual({ type: "timeout" });
    expect(await execution.closed).toEqual({ code: 1000, reason: "" });
    expect((await me.run(path, "true")).end).toEqual({ type: "exit", data: 0 });
    expect((await me.run(path, "true", { timeLimit: -1 })).end).toEqual({ type: "timeout" });
  });
});

describe("the address", () => {
  test("it works once, for its runner and its user", async () => {
    const url = await me.execute(path, { command: "true" });
    expect(url).toContain(`${path}/websocket?executionID=`);
    const foreign = other.connect(url);
    await foreign.closed;
    expect(foreign.refusal).toMatchObject({ status: 410 });
    const plain = await me.get(url.slice(url.indexOf("/runners/")));
    expect([plain.status, plain.json]).toEqual([400, { message: "websocket upgrade required" }]);
    const page = me.connect(url, { Origin: "http://evil.example" });
    await page.closed;
    expect(page.refusal).toMatchObject({ status: 403 });
    const first = me.connect(url);
    await first.closed;
    expect(first.end).toEqual({ type: "exit", data: 0 });
    const again = me.connect(url);
    await again.closed;
    expect(again.refusal).toEqual({ status: 404, text: '{"message":"execution id unknown"}' });
  });

  test("a quote in the command is refused", async () => {
    const { status, json } = await me.body("POST", `${path}/execute`, { command: "echo 'x'" });
    expect([status, json]).toEqual([400, { message: "use of forbidden character" }]);
  });
});
