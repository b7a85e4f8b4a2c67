import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

type Question = { title: string; text: string; verb: string; answer: (yes: boolean) => void };
const question = signal<Question | undefined>(undefined);

/** Asks before something that cannot be undone. */
export function confirmed(title: string, text: string, verb: string): Promise<boolean> {
  return new Promise((answer) => {
    question.value = { title, text, verb, answer };
  });
}

export function Confirm() {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = question.value;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  if (!asked) return null;
  const end = (yes: boolean) => {
    // gives the focus back to what opened it
    dialog.current?.close();
    question.value = undefined;
    asked.answer(yes);
  };
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onCancel={() => end(false)}>
      <h2 id="confirm-title">{asked.title}</h2>
      <p>{asked.text}</p>
      <div class="actions">
        <button type="button" class="button" onClick={() => end(false)}>
          Keep it
        </button>
        <button type="button" class="button danger" onClick={() => end(true)}>
          {asked.verb}
        </button>
      </div>
    </dialog>
  );
}
