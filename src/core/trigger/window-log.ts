// How a trigger's windows ended, as ranges: however many there are, state stays small.

export type EndedStatus = 'Succeeded' | 'Failed' | 'Cancelled';

/** Windows `from` to `to`, both included, that ended alike. */
export interface EndedRange {
  readonly from: number;
  readonly to: number;
  readonly status: EndedStatus;
}

export class WindowLog {
  private list: EndedRange[];

  constructor(ranges: readonly EndedRange[] = []) {
    this.list = [...ranges];
  }

  /** In order, neighbours that ended alike as one. */
  ranges(): EndedRange[] {
    return [...this.list];
  }

  get(index: number): EndedStatus | undefined {
    return this.list[this.find(index)]?.status;
  }

  set(index: number, status: EndedStatus): void {
    this.clear(index);
    let at = this.place(index);
    let [from, to] = [index, index];
    const before = this.list[at - 1];
    const after = this.list[at];
    let removed = 0;
    if (after?.from === index + 1 && after.status === status) {
      to = after.to;
      removed += 1;
    }
    if (before?.to === index - 1 && before.status === status) {
      from = before.from;
      at -= 1;
      removed += 1;
    }
    this.list.splice(at, removed, { from, to, status });
  }

  /** Forgets how a window ended: it runs again. */
  clear(index: number): void {
    const at = this.find(index);
    const range = this.list[at];
    if (range === undefined) return;
    const { from, to, status } = range;
    const rest = [
      { from, to: index - 1, status },
      { from: index + 1, to, status },
    ].filter((part) => part.from <= part.to);
    this.list.splice(at, 1, ...rest);
  }

  count(status: EndedStatus): number {
    return this.list.reduce(
      (sum, range) => sum + (range.status === status ? range.to - range.from + 1 : 0),
      0,
    );
  }

  /** Whether every window from `first` up to, but without, `end` succeeded. */
  allSucceeded(first: number, end: number): boolean {
    for (let index = first; index < end; ) {
      const range = this.list[this.find(index)];
      if (range?.status !== 'Succeeded') return false;
      index = range.to + 1;
    }
    return true;
  }

  private find(index: number): number {
    const range = this.list[this.place(index + 1) - 1];
    return range !== undefined && range.to >= index ? this.place(index + 1) - 1 : -1;
  }

  /** Where in the list the first range stands that begins at or after an index. */
  private place(index: number): number {
    let [low, high] = [0, this.list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.list[middle]?.from ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
