// cast.cu: single to half precision and back, one thread per number.

extern "C" __global__ void cast_to_half(u16 *out, const float *in, u64 count) {
    u64 at = thread_index();
    if (at < count) out[at] = half_bits(in[at]);
}

extern "C" __global__ void cast_to_single(float *out, const u16 *in, u64 count) {
    u64 at = thread_index();
    if (at < count) out[at] = half_value(in[at]);
}
