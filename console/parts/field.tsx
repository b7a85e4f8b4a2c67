import type { ComponentChildren } from "preact";

type Props = {
  id: string;
  label: string;
  hint?: string;
  error?: string | undefined;
  children: ComponentChildren;
};

/** A control with its name, what it takes, and what is wrong with what is in it. The control names `id` and `${id}-hint`. */
export function Field({ id, label, hint, error, children }: Props) {
  return (
    <div class={`field${error ? " wrong" : ""}`}>
      <label for={id}>{label}</label>
      {children}
      <p id={`${id}-hint`} class={error ? "field-error" : "hint"}>
        {error ?? hint}
      </p>
    </div>
  );
}

type TextProps = {
  id: string;
  label: string;
  value: string;
  onValue: (value: string) => void;
  hint?: string;
  error?: string | undefined;
  type?: string;
  list?: string;
  required?: boolean;
  autoComplete?: string;
};

export function TextField({ id, label, value, onValue, hint, error, ...input }: TextProps) {
  return (
    <Field id={id} label={label} {...(hint !== undefined && { hint })} error={error}>
      <input
        {...(input as object)}
        id={id}
        value={value}
        spellcheck={false}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </Field>
  );
}
