/** How a route is described: its operation's id, what it does, what it answers, and what it takes. */
export type RouteDoc = {
  id: string;
  summary: string;
  answer: string;
  fields?: readonly string[];
  /** another type that it answers with */
  also?: string;
};

const doc = (
  id: string,
  summary: string,
  answer: string,
  rest: Pick<RouteDoc, "fields" | "also"> = {},
): RouteDoc => ({ id: `kabuto${id}`, summary, answer, ...rest });

const IMAGE = { fields: ["name", "dockerfile", "repo_url", "nocache", "attachments"] };
const JOB = { fields: ["image_id", "command", "attachments", "max_duration", "node"] };
const BUILD = "The state, and at the end the image's id or why it failed";
const JOBS = "A map of jobs by their ids";
const LOG = { fields: ["start_byte", "size"], also: "text/plain" };

/** By method and path, as they are in routes.ts. */
export const ROUTE_DOCS: Readonly<Record<string, RouteDoc>> = {
  "POST /register": doc("Register", "Makes an account", "A token", {
    fields: ["login", "password", "email"],
  }),
  "GET /register/confirm/:login/:token": doc("Confirm", "Confirms a registration", "Whether it is known"),
  "POST /login": doc("LogIn", "Opens a session", "The cookie", { fields: ["login", "password"] }),
  "POST /logout": doc("LogOut", "Ends the session", "That it ended"),
  "GET /image": doc("ListImages", "All images", "A map of images by their ids"),
  "POST /image": doc("BuildImage", "Builds an image", "The build's id", IMAGE),
  "GET /image/build/:build": doc("GetBuild", "How a build gets on", BUILD),
  "GET /image/build/:build/:image": doc("GetBuildOfImage", "How a build of an own image gets on", BUILD),
  "GET /image/:image": doc("GetImage", "One image", "A map with the image"),
  "PUT /image/:image": doc("UpdateImage", "Builds an image's content anew", "The build's id", IMAGE),
  "DELETE /image/:image": doc("DeleteImage", "Deletes an image", "That it is deleted"),
  "GET /pipeline": doc("ListPipelines", "All pipelines", "A map of pipelines by their ids"),
  "POST /pipeline": doc("CreatePipeline", "Makes a pipeline", "Its id", { fields: ["name", "on_failure"] }),
  "GET /pipeline/:pipeline": doc("GetPipeline", "One pipeline", "A map with the pipeline"),
  "PUT /pipeline/:pipeline": doc("UpdatePipeline", "Changes name, jobs and order", "What was changed", {
    fields: ["name", "remove_jobs", "rearrange_jobs", "on_failure"],
  }),
  "DELETE /pipeline/:pipeline": doc(
    "DeletePipeline",
    "Deletes a pipeline with its jobs",
    "That it is deleted",
  ),
  "POST /pipeline/:pipeline/submit": doc("SubmitPipeline", "Queues its jobs", "Each job's state"),
  "POST /pipeline/:pipeline/cancel": doc("CancelPipeline", "Cancels its jobs", "Each job's state"),
  "GET /pipeline/:pipeline/job": doc("ListJobsOfPipeline", "Jobs of a pipeline", JOBS),
  "POST /pipeline/:pipeline/job": doc("CreateJob", "Makes a job", "Its id", JOB),
  "GET /pipeline/:pipeline/job/:job": doc("GetJob", "One job, or its zip with result", JOBS, {
    also: "application/zip",
  }),
  "PUT /pipeline/:pipeline/job/:job": doc("UpdateJob", "Changes a job", "Its id", JOB),
  "DELETE /pipeline/:pipeline/job/:job": doc("DeleteJob", "Deletes a job", "That it is deleted"),
  "GET /pipeline/:pipeline/job/:job/kill": doc("KillJob", "Ends a running job at once", "That it was asked"),
  "POST /pipeline/:pipeline/job/:job/kill": doc("KillJobByPost", "As GET", "That it was asked"),
  "POST /pipeline/:pipeline/job/:job/cancel": doc("CancelJob", "Ends a job", "That it was asked"),
  "GET /jobs": doc("ListJobs", "All jobs", JOBS),
  "GET /execution/:job/logs": doc("GetLog", "Rows of a job's log", "The rows"),
  "POST /execution/:job/logs": doc("GetLogText", "A job's log as a text", "The text", LOG),
  "GET /execution/:job/logs/:log": doc("GetLogAfter", "Rows after one that is known", "The rows"),
};
