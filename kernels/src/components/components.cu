// components.cu: the twin of cpu.rs. Runs of voxels are found row by row and joined as sets whose first run
// stands for them, by all threads at once, so that labels come out in the order of the array.
//
// Union-find by atomicMin as in Komura, Comput Phys Commun 2015;194:54-58, and Playne and Hawick, IEEE Trans
// Parallel Distrib Syst 2018;29:1217-1230, on runs instead of voxels.

// One bit per voxel of each row, the first one lowest; one thread per word of 64 voxels.
extern "C" __global__ void components_pack(u64 *words, const u8 *mask, u32 columns, u32 stride, u64 count) {
    u64 at = thread_index();
    if (at >= count) return;
    u64 row = at / stride;
    u32 first = (u32)(at % stride) * 64, voxels = min(columns - first, 64u);
    const u8 *from = mask + row * columns + first;
    u64 word = 0;
    if (voxels == 64 && ((size_t)from & 15) == 0) {
        for (u32 part = 0; part < 4; part++) {
            uint4 sixteen = ((const uint4 *)from)[part];
            u32 fours[4] = {sixteen.x, sixteen.y, sixteen.z, sixteen.w};
            for (u32 n = 0; n < 4; n++) {
                for (u32 byte = 0; byte < 4; byte++) {
                    u64 is_in = (fours[n] >> (8 * byte) & 255) != 0;
                    word |= is_in << (16 * part + 4 * n + byte);
                }
            }
        }
    } else {
        for (u32 n = 0; n < voxels; n++) word |= (u64)(from[n] != 0) << n;
    }
    words[at] = word;
}

// How many runs each row has, and 0 after the last row; one thread per row.
extern "C" __global__ void components_count(u32 *counts, const u64 *words, u32 stride, u32 rows) {
    u64 row = thread_index();
    if (row > rows) return;
    u32 count = 0;
    if (row < rows) {
        u64 before = 0;
        for (u32 at = 0; at < stride; at++) {
            u64 word = words[row * stride + at];
            count += __popcll(word & ~(word << 1 | before));
            before = word >> 63;
        }
    }
    counts[row] = count;
}

// Writes each row's runs: where they start and end, their row, and each as a set of its own.
extern "C" __global__ void components_find(u32 *ends, u32 *row_of, u32 *parents, const u32 *starts,
                                           const u64 *words, u32 stride, u32 rows, u32 columns) {
    u64 row = thread_index();
    if (row >= rows) return;
    u32 run = starts[row];
    bool is_inside = false;
    u64 before = 0;
    for (u32 at = 0; at < stride; at++) {
        u64 word = words[row * stride + at];
        u64 changes = word ^ (word << 1 | before);
        before = word >> 63;
        while (changes) {
            u32 column = at * 64 + (u32)__ffsll((i64)changes) - 1;
            changes &= changes - 1;
            if (is_inside) {
                ends[2 * (u64)run + 1] = column;
                run++;
            } else {
                ends[2 * (u64)run] = column;
                row_of[run] = (u32)row;
                parents[run] = run;
            }
            is_inside = !is_inside;
        }
    }
    if (is_inside) ends[2 * (u64)run + 1] = columns;
}

// The first run of a run's set, with the way there halved as in ECL-CC (Jaiganesh and Burtscher, HPDC 2018).
// Another thread may change parents meanwhile, always to an earlier run of the same set: what is read may be
// old but not wrong, and `join` looks again where it matters.
__device__ inline u32 first_of(u32 *parents, u32 run) {
    volatile u32 *now = parents;
    u32 parent = now[run];
    if (parent == run) return run;
    u32 before = run, next;
    while ((next = now[parent]) < parent) {
        now[before] = next;
        before = parent;
        parent = next;
    }
    return parent;
}

__device__ inline void join(u32 *parents, u32 a, u32 b) {
    for (;;) {
        a = first_of(parents, a);
        b = first_of(parents, b);
        if (a == b) return;
        u32 low = min(a, b), high = max(a, b);
        u32 old = atomicMin(&parents[high], low);
        // If it was no longer a root, what was its parent has to be joined as well.
        if (old == high) return;
        a = old;
        b = low;
    }
}

// Joins a run with those of one earlier row that overlap it, or lie `reach` further apart.
__device__ inline void join_row(u32 *parents, const u32 *ends, u32 run, u32 first, u32 last, u32 reach) {
    u32 start = ends[2 * (u64)run], end = ends[2 * (u64)run + 1];
    // The first that ends late enough.
    u32 low = first, high = last;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (ends[2 * (u64)middle + 1] + reach > start) high = middle;
        else low = middle + 1;
    }
    for (; low < last && ends[2 * (u64)low] < end + reach; low++) join(parents, run, low);
}

// One thread per run. `wide` and `all` say how far runs reach along the row into the rows that share a face,
// and into those that share an edge; `diagonal` whether the latter count at all.
extern "C" __global__ void components_join(u32 *parents, const u32 *ends, const u32 *row_of, const u32 *starts,
                                           u32 count, u32 rows, u32 wide, u32 diagonal, u32 all) {
    u64 at = thread_index();
    if (at >= count) return;
    u32 run = (u32)at, row = row_of[run], k = row / rows, j = row % rows;
    if (j > 0) join_row(parents, ends, run, starts[row - 1], starts[row], wide);
    if (k == 0) return;
    u32 below = row - rows;
    join_row(parents, ends, run, starts[below], starts[below + 1], wide);
    if (!diagonal) return;
    if (j > 0) join_row(parents, ends, run, starts[below - 1], starts[below], all);
    if (j + 1 < rows) join_row(parents, ends, run, starts[below + 1], starts[below + 2], all);
}

// The first run of each run's set, and 1 for each that is the first itself; 0 after the last.
extern "C" __global__ void components_flatten(u32 *firsts, u32 *is_first, u32 *parents, u32 count) {
    u64 at = thread_index();
    if (at > count) return;
    u32 first = at < count ? first_of(parents, (u32)at) : 0;
    if (at < count) firsts[at] = first;
    is_first[at] = at < count && first == at;
}

extern "C" __global__ void components_number(u32 *labels, const u32 *firsts, const u32 *numbers, u32 count) {
    u64 at = thread_index();
    if (at < count) labels[at] = numbers[firsts[at]] + 1;
}

// Adds what was summed of runs of one component to it; see `Sums::of_device` in cuda.rs.
__device__ inline void add_sums(u64 *sums, u32 label, const u64 own[10]) {
    u64 *to = sums + (u64)(label - 1) * 10;
    for (u32 n = 0; n < 4; n++) atomicAdd(&to[n], own[n]);
    for (u32 n = 4; n < 10; n++) atomicMax(&to[n], own[n]);
}

// Sums up each component: whole numbers, so that the order does not matter. Each thread takes 16 runs that
// follow each other, of which many are of the same component.
extern "C" __global__ void components_sum(u64 *sums, const u32 *ends, const u32 *row_of, const u32 *labels,
                                          u32 count, u32 rows) {
    u64 first = thread_index() * 16;
    if (first >= count) return;
    u64 last = min(first + 16, (u64)count);
    u64 own[10];
    for (u64 at = first; at < last; at++) {
        u64 k = row_of[at] / rows, j = row_of[at] % rows, start = ends[2 * at], end = ends[2 * at + 1];
        u64 voxels = end - start;
        if (at == first || labels[at] != labels[at - 1]) {
            if (at != first) add_sums(sums, labels[at - 1], own);
            for (u32 n = 0; n < 10; n++) own[n] = 0;
        }
        own[0] += voxels;
        own[1] += voxels * k;
        own[2] += voxels * j;
        own[3] += voxels * (start + end - 1) / 2;
        // The lowest as the greatest of what is left to the greatest number.
        own[4] = max(own[4], 0xffffffffull - k);
        own[5] = max(own[5], 0xffffffffull - j);
        own[6] = max(own[6], 0xffffffffull - start);
        own[7] = max(own[7], k + 1);
        own[8] = max(own[8], j + 1);
        own[9] = max(own[9], end);
    }
    add_sums(sums, labels[last - 1], own);
}

// Writes into the voxels of each run what `values` has for it; one warp's worth of threads per run.
extern "C" __global__ void components_paint_u32(u32 *out, const u32 *ends, const u32 *row_of, const u32 *values,
                                                u32 count, u32 columns) {
    u64 at = thread_index() / 32;
    if (at >= count) return;
    u32 value = values[at];
    u32 *row = out + row_of[at] * (u64)columns;
    for (u64 i = ends[2 * at] + thread_index() % 32; i < ends[2 * at + 1]; i += 32) row[i] = value;
}

extern "C" __global__ void components_paint_u8(u8 *out, const u32 *ends, const u32 *row_of, const u32 *values,
                                               u32 count, u32 columns) {
    u64 at = thread_index() / 32;
    if (at >= count) return;
    u8 value = (u8)values[at];
    u8 *row = out + row_of[at] * (u64)columns;
    for (u64 i = ends[2 * at] + thread_index() % 32; i < ends[2 * at + 1]; i += 32) row[i] = value;
}
