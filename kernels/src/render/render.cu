// render.cu: CUDA twin of render.rs, one thread per pixel. Interpolates in the order in which the CPU does, so
// that the bits are the same.

__device__ inline float mix(float a, float b, float weight) { return a + (b - a) * weight; }

// What the samples behind each other become: 0 their greatest, 1 their least, 2 their mean.
struct Samples {
    float value;
    u32 count;
};

__device__ inline void join(Samples &found, float value, u32 through) {
    float before = found.value;
    if (found.count == 0) found.value = value;
    else if (through == 0) found.value = value > before ? value : before;
    else if (through == 1) found.value = value < before ? value : before;
    else found.value = before + value;
    found.count++;
}

__device__ inline void store(float *out, u64 at, Samples found, u32 through, float outside) {
    float value = through == 2 ? found.value / (float)found.count : found.value;
    out[at] = found.count ? value : outside;
}

// A slab whose axes follow those of the source. `first` and `weight` hold, one after the other, what is
// sampled along n, y and x: a voxel, or -1 outside, and the weight of the one after it. `axes` are the
// source's axes that they follow.
extern "C" __global__ void render_aligned(float *out, const void *voxels, u32 kind, u32 slices, u32 rows,
                                          u32 columns, const int *first, const float *weight, u32 samples,
                                          u32 height, u32 width, u32 axis_n, u32 axis_y, u32 axis_x,
                                          u32 through, float outside) {
    u64 pixel = thread_index();
    if (pixel >= (u64)height * width) return;
    u32 y = (u32)(pixel / width), x = (u32)(pixel % width);
    u32 size[3] = {slices, rows, columns};
    u64 stride[3] = {(u64)rows * columns, columns, 1};
    Samples found = {0.0f, 0};
    u64 base[3], next[3];
    float share[3];
    u32 axis[3] = {axis_n, axis_y, axis_x};
    bool is_inside = first[samples + y] >= 0 && first[samples + height + x] >= 0;
    for (u32 n = 0; is_inside && n < samples; n++) {
        if (first[n] < 0) continue;
        u32 which[3] = {n, samples + y, samples + height + x};
        for (int d = 0; d < 3; d++) {
            for (u32 to = 0; to < 3; to++) {
                if (to != axis[d]) continue;
                u32 at = (u32)first[which[d]];
                base[to] = at * stride[to];
                next[to] = at + 1 < size[to] ? stride[to] : 0;
                share[to] = weight[which[d]];
            }
        }
        u64 at = base[0] + base[1] + base[2];
        if (share[0] == 0.0f && share[1] == 0.0f && share[2] == 0.0f) {
            join(found, load<float>(voxels, kind, at), through);
            continue;
        }
        float value[2];
        for (int i = 0; i < 2; i++) {
            u64 near = at + (i ? next[2] : 0), far = near + next[0];
            value[i] = mix(mix(load<float>(voxels, kind, near), load<float>(voxels, kind, near + next[1]), share[1]),
                           mix(load<float>(voxels, kind, far), load<float>(voxels, kind, far + next[1]), share[1]), share[0]);
        }
        join(found, mix(value[0], value[1], share[2]), through);
    }
    store(out, pixel, found, through, outside);
}

// Any other slab. `map` is the 3 x 4 matrix from (x, y, n, 1) to (i, j, k); a place is inside up to `border`
// beyond the outermost centres.
extern "C" __global__ void render_oblique(float *out, const void *voxels, u32 kind, u32 slices, u32 rows,
                                          u32 columns, const double *map, u32 samples, u32 height, u32 width,
                                          double border, u32 through, float outside) {
    u64 pixel = thread_index();
    if (pixel >= (u64)height * width) return;
    double x = (double)(pixel % width), y = (double)(pixel / width);
    u32 size[3] = {columns, rows, slices};
    u64 stride[3] = {1, columns, (u64)rows * columns};
    Samples found = {0.0f, 0};
    for (u32 n = 0; n < samples; n++) {
        u64 at = 0, next[3];
        float share[3];
        bool is_inside = true;
        for (int d = 0; d < 3; d++) {
            const double *row = map + 4 * d;
            double start = row[0] * x + row[1] * y + row[3];
            double place = start + row[2] * (double)n;
            is_inside &= place >= -border && place <= (double)size[d] - 1.0 + border;
            double low = place > 0.0 ? place : 0.0;
            u32 whole = low < (double)(size[d] - 1) ? (u32)low : size[d] - 1;
            at += whole * stride[d];
            next[d] = whole + 1 < size[d] ? stride[d] : 0;
            double off = place - (double)whole;
            share[d] = (float)(off > 0.0 ? off : 0.0);
        }
        if (!is_inside) continue;
        float value[4];
        for (int corner = 0; corner < 4; corner++) {
            u64 from = at + (corner & 1 ? next[1] : 0) + (corner & 2 ? next[2] : 0);
            value[corner] = mix(load<float>(voxels, kind, from), load<float>(voxels, kind, from + next[0]), share[0]);
        }
        join(found, mix(mix(value[0], value[1], share[1]), mix(value[2], value[3], share[1]), share[2]), through);
    }
    store(out, pixel, found, through, outside);
}

// 0 to 255 for a window that begins at `low`, rounded; 0 for what is not a number.
extern "C" __global__ void render_grey(u8 *out, const float *in, u64 count, float low, float scale) {
    u64 at = thread_index();
    if (at >= count) return;
    float value = (in[at] - low) * scale + 0.5f;
    value = value > 0.0f ? value : 0.0f;
    out[at] = (u8)(value < 255.0f ? value : 255.0f);
}
