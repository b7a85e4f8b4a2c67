import type { Hono } from "hono";
import type { GroundEnv } from "../../http/env.ts";
import { json } from "../../http/json-answer.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { getAllJobs } from "./all-jobs.ts";
import { postImage, putImage } from "./build-request.ts";
import { getBuild } from "./build-state.ts";
import { deleteImage, getImages } from "./images.ts";
import { cancelJob, deleteJob, getJobs, killJob, postJob, putJob } from "./jobs.ts";
import { logIn, logOut } from "./log-in.ts";
import { getLogs, postLogs } from "./logs.ts";
import {
  deletePipeline,
  getPipelines,
  postCancel,
  postPipeline,
  postSubmit,
  putPipeline,
} from "./pipelines.ts";
import { confirm, register } from "./registration.ts";

type Handle = (c: DialectContext, core: DialectCore) => Promise<Response>;

const hello: Handle = async () => json({ hello: "world" });

/** Every route, with what answers each of its methods. */
export const ROUTES: readonly (readonly [path: string, handles: Readonly<Record<string, Handle>>])[] = [
  ["/", { GET: hello }],
  ["/register", { POST: register }],
  ["/register/confirm/:login/:token", { GET: confirm }],
  ["/login", { POST: logIn }],
  ["/logout", { POST: logOut }],
  ["/image", { GET: getImages, POST: postImage }],
  ["/image/build/:build", { GET: getBuild }],
  ["/image/build/:build/:image", { GET: getBuild }],
  ["/image/:image", { GET: getImages, PUT: putImage, DELETE: deleteImage }],
  ["/pipeline", { GET: getPipelines, POST: postPipeline }],
  ["/pipeline/:pipeline", { GET: getPipelines, PUT: putPipeline, DELETE: deletePipeline }],
  ["/pipeline/:pipeline/submit", { POST: postSubmit }],
  ["/pipeline/:pipeline/cancel", { POST: postCancel }],
  ["/pipeline/:pipeline/job", { GET: getJobs, POST: postJob }],
  ["/pipeline/:pipeline/job/:job", { GET: getJobs, PUT: putJob, DELETE: deleteJob }],
  ["/pipeline/:pipeline/job/:job/kill", { GET: killJob, POST: killJob }],
  ["/pipeline/:pipeline/job/:job/cancel", { POST: cancelJob }],
  ["/jobs", { GET: getAllJobs }],
  ["/execution/:job/logs", { GET: getLogs, POST: postLogs }],
  ["/execution/:job/logs/:log", { GET: getLogs }],
];

/** Open to everybody. */
export const OPEN = ["/register", "/register/confirm/:login/:token", "/login"];

/** Puts the dialect's routes on an app; what they throw, the ground's own handler words with `errors`. */
export function mount(app: Hono<GroundEnv>, core: DialectCore): void {
  for (const [path, handles] of ROUTES) {
    for (const [method, handle] of Object.entries(handles)) app.on(method, path, (c) => handle(c, core));
  }
}
