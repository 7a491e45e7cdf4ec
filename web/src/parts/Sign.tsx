/** The sign of the house. */
export function Sign({ size = 26 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" className="sign">
      <rect width="32" height="32" rx="8" />
      <path d="M7 11.5A2.5 2.5 0 0 1 9.5 9H22v3h2a1.5 1.5 0 0 1 1.5 1.5v8A1.5 1.5 0 0 1 24 23H9.5A2.5 2.5 0 0 1 7 20.5z" />
      <circle cx="21.5" cy="17.5" r="1.8" />
    </svg>
  );
}
