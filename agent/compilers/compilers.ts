import { baremetalC } from "./baremetal-c.ts";
import type { Compiler } from "./compiler.ts";
import { dockerC } from "./docker-c.ts";
import { dockerGo } from "./docker-go.ts";
import { dockerJava } from "./docker-java.ts";
import { dockerNative } from "./docker-native.ts";
import { dockerNodejs } from "./docker-nodejs.ts";
import { dockerPython } from "./docker-python.ts";
import { onLinux } from "./on-linux.ts";

const CONTAINERS: readonly Compiler[] = [
  dockerC,
  dockerGo,
  dockerJava,
  dockerNative,
  dockerNodejs,
  dockerPython,
];

/** Languages whose programs also run in a machine with a Linux kernel. */
const ON_LINUX = ["c", "go", "native", "nodejs", "python"];

/** Every compiler that this version has. */
export const COMPILERS: readonly Compiler[] = [
  baremetalC,
  ...CONTAINERS,
  ...CONTAINERS.filter(({ language }) => ON_LINUX.includes(language)).map(onLinux),
];
