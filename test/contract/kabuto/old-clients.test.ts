import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { target } from "./support/session.ts";

/** The contract page's examples as they are written there, by the clients that they are written for. */
const run = promisify(execFile);
const DOCKERFILE = `FROM ${target.base}\nCMD ["echo", "hello world"]\n`;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "perigee-old-clients-"));
  await writeFile(join(dir, "docker_file"), DOCKERFILE);
  await writeFile(join(dir, "file1"), "one\n");
  await writeFile(join(dir, "file2"), "two\n");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: what comes over the wire has no type
async function curl(path: string, ...args: string[]): Promise<any> {
  const { stdout } = await run("curl", ["-sS", "--max-time", "120", target.url + path, ...args], {
    cwd: dir,
  });
  return JSON.parse(stdout);
}
const COOKIES = ["-b", "cookies.txt"];
const POST = ["-X", "POST"];

/** As a script of then asks, again and again; `wait` only spares the machine. */
// biome-ignore lint/suspicious/noExplicitAny: as above
async function polled(path: string, is: (body: any) => boolean): Promise<any> {
  for (;;) {
    const body = await curl(`${path}?wait=25`, ...COOKIES);
    if (is(body)) return body;
  }
}

test("curl: from the registration to the zip, as on the contract page", async () => {
  const login = `${target.run}-curl`;
  const email = `${login}@example.com`;
  const { token } = await curl("/register", ...POST, "-d", `login=${login}&password=SecreT&email=${email}`);
  expect(await curl(`/register/confirm/${login}/${token}`)).toEqual({ registration: "success" });
  const credentials = `login=${login}&password=SecreT`;
  const opened = await curl("/login", ...POST, "-d", credentials, "-c", "cookies.txt");
  expect(opened).toEqual({ login: "success" });
  expect(await readFile(join(dir, "cookies.txt"), "utf8")).toContain("\tsession\t");

  // the page's own form sends the path: the build says what to do instead
  const path = join(dir, "docker_file");
  const asPath = await curl(
    "/image",
    ...POST,
    "-d",
    `name=test&dockerfile=@${path}&nocache=false`,
    ...COOKIES,
  );
  expect(asPath.status).toBe("Your image is being built");
  expect(await curl(`/image/build/${asPath.build_id}`, ...COOKIES)).toMatchObject({
    state: "FAILED",
    error: "Build failed",
    output: [{ error: expect.stringContaining("--data-urlencode dockerfile@") }],
  });
  const fields = ["-d", "name=test", "--data-urlencode", "dockerfile@docker_file", "-d", "nocache=false"];
  const { build_id } = await curl("/image", ...POST, ...fields, ...COOKIES);
  const build = await polled(`/image/build/${build_id}`, ({ state }) => state !== "PENDING");
  expect(build).toMatchObject({ state: "SUCCESS", id: 1 });
  expect((await curl("/image/1", ...COOKIES))["1"]).toMatchObject({
    id: 1,
    name: "test",
    dockerfile: DOCKERFILE,
  });

  const { id } = await curl("/pipeline", ...POST, "-d", "name=my_first_pipeline", ...COOKIES);
  const files = ["-F", "attachments=@file1", "-F", "attachments=@file2"];
  const command = ["-F", "command=cp /inbox/file1 /inbox/file2 /outbox"];
  const job = await curl(
    `/pipeline/${id}/job`,
    ...POST,
    ...files,
    "-F",
    "image_id=1",
    ...command,
    ...COOKIES,
  );
  expect(await curl(`/pipeline/${id}/submit`, ...POST)).toEqual({ status: 401, message: "Unauthorized" });
  expect(await curl(`/pipeline/${id}/submit`, ...POST, ...COOKIES)).toEqual({ [job.id]: "in_queue" });
  const at = `/pipeline/${id}/job/${job.id}`;
  const jobs = await polled(at, (all) => ["done", "failed"].includes(all[job.id].state));
  expect(jobs[job.id]).toMatchObject({ state: "done", response: 0 });
  expect(await curl(`/execution/${job.id}/logs`, ...COOKIES)).toEqual([]);
  // -OJ takes the name that the answer gives
  await run("curl", ["-sS", "-OJ", ...COOKIES, `${target.url}${at}?result`], { cwd: dir });
  const { stdout } = await run("python3", ["-m", "zipfile", "-l", "results.zip"], { cwd: dir });
  expect(stdout).toMatch(/file1 .*\nfile2 /);

  // the way of HTTP/1.0, a body that is announced, a method spelt by hand, a slash at the end
  const again = ["--http1.0", ...COOKIES];
  expect(Object.keys(await curl("/jobs/", ...again))).toEqual([String(job.id)]);
  const announced = ["-H", "Expect: 100-continue", "-F", "name=announced", ...COOKIES];
  expect(await curl("/pipeline", ...announced)).toEqual({ id: expect.any(Number) });
  expect(await curl(`${at}/`, "-X", "DELETE", ...COOKIES)).toEqual({ message: "Successfully deleted job" });
});

/** What the page's Python examples send, by the standard library: requests' bodies, and a jar that knows nothing. */
const PYTHON = String.raw`
import http.cookiejar, io, json, sys, time, urllib.parse, urllib.request, zipfile
base_url, login, password, base = sys.argv[1:]
jar = http.cookiejar.CookieJar()
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
def send(method, path, data=None, headers={}):
    request = urllib.request.Request(base_url + path, data=data, headers=headers, method=method)
    with opener.open(request, timeout=120) as answer:
        return answer.read()
def get(path):
    return json.loads(send('GET', path))
def post(path, fields={}):
    return json.loads(send('POST', path, urllib.parse.urlencode(fields).encode()))
def upload(path, fields, files):
    b = '0f1e2d3c4b5a69788796a5b4c3d2e1f0'
    body = b''
    for name, value in fields:
        body += ('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (b, name, value)).encode()
    for name, file, content in files:
        body += ('--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n' % (b, name, file)).encode()
        body += content + b'\r\n'
    body += ('--%s--\r\n' % b).encode()
    headers = {'Content-Type': 'multipart/form-data; boundary=%s' % b}
    return json.loads(send('POST', path, body, headers))

assert post('/login', {'login': login, 'password': password}) == {'login': 'success'}
assert [(c.name, c.path, c.secure) for c in jar] == [('session', '/', base_url.startswith('https'))]
assert get('/') == {'hello': 'world'}
sample_dockerfile = '''FROM %s
CMD ["echo", "hello world"]
''' % base
build_id = post('/image', {'dockerfile': sample_dockerfile, 'name': 'test'})['build_id']
while get('/image/build/%s' % build_id)['state'] == 'PENDING':
    time.sleep(0.2)
build = get('/image/build/%s' % build_id)
assert build['state'] == 'SUCCESS', build
image_id = build['id']
assert get('/image/%s' % image_id)[str(image_id)]['dockerfile'] == sample_dockerfile
pipeline_id = post('/pipeline', {'name': 'my first pipeline'})['id']
job_id = upload('/pipeline/%s/job' % pipeline_id,
                [('command', 'cat /inbox/file1 /inbox/file2'), ('image_id', image_id)],
                [('attachments', 'file1', b'one\n'), ('attachments', 'file2', b'two\n')])['id']
for eid, state in post('/pipeline/%s/submit' % pipeline_id).items():
    assert (eid, state) == (str(job_id), 'in_queue')
url = '/pipeline/%s/job/%s' % (pipeline_id, job_id)
while get(url)[str(job_id)]['state'] not in ('done', 'failed'):
    time.sleep(0.2)
job = get(url)[str(job_id)]
assert (job['state'], job['response'], job['image'], job['pipeline']) == ('done', 0, {'id': image_id}, {'id': pipeline_id}), job
rows = get('/execution/%s/logs' % job_id)
assert [(row['job'], row['logline']) for row in rows] == [(job_id, 'one'), (job_id, 'two')], rows
assert get('/execution/%s/logs/%s' % (job_id, rows[0]['id'])) == rows[1:]
assert zipfile.ZipFile(io.BytesIO(send('GET', url + '?result'))).namelist() == []
assert get('/pipeline/%s' % pipeline_id)[str(pipeline_id)]['jobs'] == [{'id': job_id}]
send('DELETE', '/pipeline/%s' % pipeline_id)
send('DELETE', '/image/%s' % image_id)
print('all of it')
`;

test("Python: from the log-in to the zip, by its own HTTP client and cookie jar", async () => {
  const { login, password } = target.user;
  const { stdout } = await run("python3", ["-c", PYTHON, target.url, login, password, target.base]);
  expect(stdout).toBe("all of it\n");
});
