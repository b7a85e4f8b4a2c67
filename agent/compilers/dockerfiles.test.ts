import { describe, expect, test } from "vitest";
import { LIMITS } from "#protocol/limits.ts";
import { type Sources, TOOLCHAIN } from "./compiler.ts";
import { dockerC } from "./docker-c.ts";
import { dockerGo } from "./docker-go.ts";
import { dockerJava } from "./docker-java.ts";
import { dockerNative } from "./docker-native.ts";
import { dockerPython } from "./docker-python.ts";
import { readManifest } from "./manifest.ts";

/** Sources with these files; a name with a slash at its end is a directory. */
function sources(files: Record<string, string>, over: Partial<Sources> = {}): Sources {
  const below = (path: string) => {
    const prefix = path === "" ? "" : `${path.replace(/\/$/, "")}/`;
    const names = Object.keys(files).filter((name) => name.startsWith(prefix));
    return [...new Set(names.map((name) => name.slice(prefix.length).replace(/\/.*/, "/")))];
  };
  return {
    manifest: readManifest(files["manifest.yaml"]),
    names: below(""),
    namesIn: below,
    read: (path) => (files[path] === undefined ? undefined : Buffer.from(files[path])),
    isExecutable: () => false,
    args: [],
    mountPoints: [],
    ...over,
  };
}

const refused = (message: string) =>
  expect.objectContaining({ code: "SOURCES_REFUSED", message: expect.stringContaining(message) });

describe("docker-go", () => {
  test("with a go.mod is built as a module, without network", () => {
    const text = dockerGo.dockerfile(sources({ "go.mod": "module x\n", "main.go": "" }, { args: ["a b"] }));
    expect(text).toContain("COPY . /src/\nRUN cd /src && CGO_ENABLED=0 ");
    expect(text).toContain("GOPROXY=off");
    expect(text).not.toContain("GOPATH");
    expect(text).toContain('ENTRYPOINT ["/app/program","a b"]');
  });

  test("without one in GOPATH mode, at the import path that Godeps says", () => {
    const with_ = (path: string) =>
      dockerGo.dockerfile(
        sources({ "main.go": "", "Godeps/Godeps.json": JSON.stringify({ ImportPath: path }) }),
      );
    const at = "/go/src/example.com/a/b";
    expect(with_("example.com/a/b")).toContain(`COPY . ${at}/\nRUN cd ${at} && `);
    expect(dockerGo.dockerfile(sources({ "main.go": "" }))).toContain("GO111MODULE=off");
    for (const path of ["../../etc", "a b", "a\nRUN x", ""]) {
      expect(() => with_(path)).toThrow(refused("Godeps/Godeps.json: ImportPath"));
    }
  });
});

describe("docker-c", () => {
  test("makes one program of the files at the root, in a stage that has no step but these", () => {
    expect(dockerC.dockerfile(sources({ "main.c": "" }))).toBe(`FROM ${TOOLCHAIN} AS build
COPY . /src/
RUN cd /src && cc -O2 -static -o program *.c
FROM scratch
WORKDIR /app
COPY --from=build /src/program /app/program
ENTRYPOINT ["/app/program"]
`);
    expect(() => dockerC.dockerfile(sources({ "x.txt": "" }))).toThrow(refused("neither a Makefile nor"));
  });

  test("lets a Makefile make what the manifest names", () => {
    const named = { Makefile: "", "manifest.yaml": "binary_name: tool\n" };
    expect(dockerC.dockerfile(sources(named))).toContain("RUN cd /src && LDFLAGS=-static make\n");
    expect(() => dockerC.dockerfile(sources({ Makefile: "" }))).toThrow(refused("binary_name: is needed"));
  });
});

describe("docker-java", () => {
  test("the only jar is started; of several one must be named", () => {
    const one = dockerJava.dockerfile(sources({ "app.jar": "", "x.txt": "" }));
    expect(one).toContain("COPY app.jar /app/app.jar\n");
    expect(one).toContain('ENTRYPOINT ["java","-jar","app.jar"]');
    expect(() => dockerJava.dockerfile(sources({ "a.jar": "", "b.war": "" }))).toThrow(refused("main_file"));
    const named = { "a.jar": "", "b.war": "", "manifest.yaml": "main_file: b.war\nruntime_args: -Xmx64m\n" };
    expect(dockerJava.dockerfile(sources(named))).toContain('["java","-Xmx64m","-jar","b.war"]');
  });

  test("a build command is one argument of a shell, whatever is in it, and needs the name of what it makes", () => {
    const manifest = `build_command: "make \\"a\\"\\nRUN x"\nmain_file: out/a.jar\n`;
    const text = dockerJava.dockerfile(sources({ "manifest.yaml": manifest }));
    expect(text).toContain(String.raw`RUN ["/bin/sh","-c","make \"a\"\nRUN x"]`);
    expect(text).toContain("COPY --from=build /src/out/a.jar /app/out/a.jar\n");
    const without = { "manifest.yaml": "build_command: make\n", "a.jar": "" };
    expect(() => dockerJava.dockerfile(sources(without))).toThrow(refused("main_file: is needed"));
  });
});

describe("docker-native", () => {
  const files = (dockerfile: string, manifest = "") => ({
    Dockerfile: dockerfile,
    ...(manifest !== "" && { "manifest.yaml": manifest }),
  });

  test("a Dockerfile stands as it is, behind it the manifest's ports and the arguments", () => {
    expect(dockerNative.dockerfile(sources(files("FROM busybox\n")))).toBe("FROM busybox\n");
    const more = files("FROM busybox\nEXPOSE 70", "ports: [80, 90]\n");
    expect(dockerNative.dockerfile(sources(more, { args: ["a\nb", '"$c"'] }))).toBe(
      'FROM busybox\nEXPOSE 70\nEXPOSE 80\nEXPOSE 90\nCMD ["a\\nb","\\"$c\\""]\n',
    );
  });

  test("one that is too large is refused, and not cut, whatever its letters take", () => {
    const large = `FROM busybox\n#${"é".repeat(LIMITS.dockerfileBytes / 2)}`;
    expect(() => dockerNative.dockerfile(sources(files(large)))).toThrow(refused("Dockerfile is larger"));
  });
});

describe("manifest.yaml", () => {
  test.each([
    ["main_file: ../../x", "main_file"],
    ["main_file: /etc/passwd", "main_file"],
    ["main_file: 5", "main_file"],
    ["a: &a [1]\nb: *a", "alias"],
    ["ports: [1e999]", "ports"],
    ["ports: [99999999999999999999]", "ports"],
    ["ports: [1.5]", "ports"],
    [`ports: [${Array.from({ length: 33 }, (_, n) => n + 1)}]`, "ports"],
    ['runtime_args: ["a\\0b"]', "NUL"],
    ["runtime_args: {}", "runtime_args"],
    ["[", "manifest.yaml: "],
  ])("%j is refused", (text, named) => {
    expect(() => readManifest(text)).toThrow(
      expect.objectContaining({
        code: "SOURCES_REFUSED",
        message: expect.stringMatching(new RegExp(named, "i")),
      }),
    );
  });
});

test("docker-python finds libraries that were installed beneath the sources", () => {
  const files = {
    "manifest.yaml": "main_file: x.py\n",
    "x.py": "",
    "lib/python3.11/site-packages/six.py": "",
  };
  const text = dockerPython.dockerfile(sources(files));
  expect(text).toContain("ENV PYTHONPATH=/app/lib/python3.11/site-packages\n");
  expect(dockerPython.dockerfile(sources({ "manifest.yaml": "main_file: x.py\n" }))).not.toContain(
    "PYTHONPATH",
  );
});
