import { useState } from "preact/hooks";
import { ApiError, logIn } from "../api/client.ts";
import { BrandMark } from "../parts/brand-mark.tsx";
import { TextField } from "../parts/field.tsx";
import { Mark } from "../parts/status-mark.tsx";

export function LogIn() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setWrong(undefined);
    try {
      await logIn(user, password);
    } catch (error) {
      setWrong(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="log-in">
      <form onSubmit={submit} class="panel">
        <BrandMark size={44} />
        <h1>Perigee</h1>
        <p class="muted">Files, images and pods on an edge that is hard to reach.</p>
        <TextField id="user" label="User" value={user} onValue={setUser} autoComplete="username" required />
        <TextField
          id="password"
          label="Password"
          type="password"
          value={password}
          onValue={setPassword}
          autoComplete="current-password"
          required
        />
        <div role="alert">
          {wrong && (
            <p class="form-error">
              <Mark level="critical" /> {wrong}
            </p>
          )}
        </div>
        <button class="button primary" type="submit" disabled={busy}>
          {busy ? "Logging in…" : "Log in"}
        </button>
        <p class="hint">You stay logged in until you close this tab.</p>
      </form>
    </main>
  );
}

function wordsOf(error: unknown): string {
  if (!(error instanceof ApiError)) return (error as Error).message;
  if (error.code === "INVALID_CREDENTIALS") return "User or password is wrong.";
  if (error.code === "UNREACHABLE") return "The ground cannot be reached. Try again.";
  return error.message;
}
