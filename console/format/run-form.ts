export type RunForm = {
  pod: string;
  image: string;
  node: string;
  minutes: string;
  command: string;
  ports: string;
  envs: string;
  at: string;
};
export type RunErrors = Partial<Record<keyof RunForm, string>>;

export const EMPTY_RUN: RunForm = {
  pod: "",
  image: "",
  node: "MPU",
  minutes: "10",
  command: "",
  ports: "",
  envs: "",
  at: "",
};

/** Of pods and of volumes. */
export const NAME = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const NAME_RULE = "Small letters, digits and hyphens, a letter first, 63 at most";
const ENV = /^[A-Za-z_][A-Za-z0-9_.-]*=/;

/** What is wrong with each field, so that it is said before anything is sent. */
export function runErrors(form: RunForm): RunErrors {
  const errors: RunErrors = {};
  if (!NAME.test(form.pod)) errors.pod = NAME_RULE;
  if (form.image.trim() === "") errors.image = "Which image is it to run?";
  if (!/^[1-9]\d{0,8}$/.test(form.minutes)) errors.minutes = "A whole number of minutes, 1 or more";
  const ports = words(form.ports);
  if (ports.some((port) => !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)) {
    errors.ports = "Numbers from 1 to 65535, with spaces between them";
  }
  if (lines(form.envs).some((line) => !ENV.test(line))) errors.envs = "One NAME=value in each line";
  if (form.at !== "" && !(Date.parse(`${form.at}Z`) > 0)) errors.at = "A date and a time, UTC";
  return errors;
}

/** The fields as `/em/pod/run` takes them. */
export function runFields(form: RunForm): Record<string, string> {
  const fields: Record<string, string> = {
    pod_name: form.pod,
    image: form.image.trim(),
    node: form.node,
    max_duration: form.minutes,
  };
  if (form.command.trim()) fields.command = form.command;
  for (const [i, port] of words(form.ports).entries()) fields[`ports[${i}]`] = port;
  for (const line of lines(form.envs)) {
    const equals = line.indexOf("=");
    fields[`envs[${line.slice(0, equals)}]`] = line.slice(equals + 1);
  }
  if (form.at) fields.scheduled_time = new Date(`${form.at}Z`).toISOString();
  return fields;
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}
