/* Adaptive gradient clipping of float32 units in one pass; see native.py.

   The sum of squares is PyTorch's: eight running sums, added in order, no fused multiply-add. */

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))
#else
#define AVX2
#endif

typedef float eight __attribute__((vector_size(32)));

AVX2 static float total(eight sums) {
    float sum = sums[0];
    for (int lane = 1; lane < 8; lane++) sum += sums[lane];
    return sum;
}

/* Units `first` to `last` of all `tensors`; `fan_in` is a multiple of 8. Unit u of tensor t has slot[t] + u in
   `norms` and `limits`. */
AVX2 void normfree_agc(long tensors, const float *const *parameters, float *const *gradients, const long *units,
                       const long *fan_in, const long *slot, float clip_factor, float eps, float *norms, float *limits,
                       long first, long last) {
    long before = 0;
    for (long t = 0; t < tensors; before += units[t], t++) {
        long size = fan_in[t];
        long from = first > before ? first - before : 0;
        long to = last - before < units[t] ? last - before : units[t];
        for (long u = from; u < to; u++) {
            const float *parameter = parameters[t] + u * size;
            float *gradient = gradients[t] + u * size;
            eight of_parameter = {0}, of_gradient = {0};
            for (long i = 0; i < size; i += 8) {
                eight p, g;
                memcpy(&p, parameter + i, sizeof p);
                memcpy(&g, gradient + i, sizeof g);
                of_parameter += p * p;
                of_gradient += g * g;
            }
            float norm = sqrtf(total(of_gradient)), limit = sqrtf(total(of_parameter));
            limit = (limit < eps ? eps : limit) * clip_factor;
            norms[slot[t] + u] = norm;
            limits[slot[t] + u] = limit;
            if (norm > limit && isfinite(norm)) {
                float scale = limit / (norm < 1e-6f ? 1e-6f : norm);
                for (long i = 0; i < size; i++) gradient[i] *= scale;
            }
        }
    }
}
