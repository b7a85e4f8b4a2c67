"""What schemathesis is told beside its command line: see ../schemathesis.test.ts."""

import json
import os

import schemathesis

# placeholders of the document's examples, and what there is in their place
IDS = json.loads(os.environ["PERIGEE_IDS"])
EXAMPLE_ID = "01JD6Z0V3E8T4Q5R6S7T8V9W0X"
SEEN = os.environ["PERIGEE_SEEN"]
ON_PLANNED = ["putWindows", "operatorQueues", "operatorHold", "operatorRelease"]
# Kabuto's fields are text by its contract, whatever the text may be: bodies that have all of these get ones that are taken
TAKEN = {
    "kabutoRegister": {"login": "tester", "password": "SecreT", "email": "tester@example.com"},
    "kabutoLogIn": {"login": os.environ["PERIGEE_USER"], "password": os.environ["PERIGEE_PASSWORD"]},
    "kabutoBuildImage": {"name": "tested", "dockerfile": "FROM busybox:latest\n"},
    "kabutoCreatePipeline": {"name": "tested", "on_failure": "continue"},
}


def close(schema):
    """An answer holds what the document names, and nothing else unless the document says so."""
    if isinstance(schema, list):
        for inner in schema:
            close(inner)
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for inner in schema.values():
            close(inner)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    # an error's codes are told by an allOf with the common body, which is open
                    if "allOf" not in media["schema"]:
                        close(media["schema"])
    close(raw_schema["components"]["schemas"]["Command"])
    close(raw_schema["components"]["schemas"]["Accepted"])


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw.get("operationId")
    if case.path_parameters and case.path_parameters.get("id") == EXAMPLE_ID and name in IDS:
        case.path_parameters["id"] = IDS[name]
    if case.path_parameters and case.path_parameters.get("pod") == "pod-a" and name in IDS:
        case.path_parameters["pod"] = IDS[name]
    # an edge without an agent: nothing else waits for one that is held
    if name in ON_PLANNED and case.meta and case.meta.phase.name != "fuzzing":
        case.path_parameters["edge"] = IDS["putWindows"]
    elif name == "operatorHold":
        case.path_parameters["edge"] = "no-such-edge"
    # an answer to what is held comes at the end of the wait
    if name == "getCommand" and case.query and case.query.get("wait") in (59, 60, "59", "60"):
        case.query["wait"] = 1
    # any text is tried in the other phases; a sequence is to get further
    if case.meta and case.meta.phase.name == "stateful" and "Perigee-Expires" in (case.headers or {}):
        case.headers["Perigee-Expires"] = "2h"
    if isinstance(case.body, dict):
        if name in TAKEN and TAKEN[name].keys() <= case.body.keys():
            case.body.update(TAKEN[name])
        if name == "logIn" and case.body.get("username") == os.environ["PERIGEE_USER"]:
            case.body["password"] = os.environ["PERIGEE_PASSWORD"]
        # values of other examples are tried here too, but they still need their volume
        if name == "deleteVolume" and case.body.get("pvc_name") == "pod-a":
            case.body["pvc_name"] = "pod-before"
        if name == "refreshToken" and case.body.get("refresh") == "eyJhbGciOiJIUzI1NiJ9.e30.c2ln":
            case.body["refresh"] = os.environ["PERIGEE_REFRESH"]


@schemathesis.hook
def after_call(context, case, response):
    with open(SEEN, "a") as seen:
        seen.write(f"{case.method.upper()} {case.operation.path} {response.status_code}\n")
