import type { Compiler } from "./compiler.ts";
import { dockerC } from "./docker-c.ts";
import { dockerGo } from "./docker-go.ts";
import { dockerJava } from "./docker-java.ts";
import { dockerNative } from "./docker-native.ts";
import { dockerNodejs } from "./docker-nodejs.ts";
import { dockerPython } from "./docker-python.ts";

/** Every compiler that this version has. */
export const COMPILERS: readonly Compiler[] = [
  dockerC,
  dockerGo,
  dockerJava,
  dockerNative,
  dockerNodejs,
  dockerPython,
];
