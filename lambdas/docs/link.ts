type Link = {
  operationId: string;
  description?: string;
  parameters?: Record<string, string>;
  requestBody?: Record<string, string>;
};

/** The part of the answer at the JSON pointer `pointer`, as a link of OpenAPI takes it. */
export const ofAnswer = (pointer: string) => `$response.body#${pointer}`;

/** Links to what can be done with a command, whose id is in the answer at `pointer`. */
export function commandLinks(pointer: string): Record<string, Link> {
  const parameters = { id: ofAnswer(pointer) };
  return {
    command: { operationId: "getCommand", parameters, description: "How it stands" },
    cancel: { operationId: "cancelCommand", parameters },
    content: { operationId: "getCommandContent", parameters, description: "What it brought down" },
    deleteContent: { operationId: "deleteCommandContent", parameters },
  };
}
