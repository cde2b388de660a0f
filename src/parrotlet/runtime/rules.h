/* One row of logits and the rules come in; the id that is drawn goes out. The compiled twin of sampling.py.
 *
 * Included once for each instruction set. No memory is taken: candidates live in work->order, longest in
 * work->longest. Filters keep a list of candidates; nothing is sorted further than it has to be. */

/* Bans, repetition, presence and frequency, DRY: logits become work->values, with -inf from `vocabulary` on. */
static TARGET void NAME(penalise)(const pl_model *model, pl_work *work, const pl_rules *rules, const float *logits,
                                  const int32_t *counts, const int64_t *history, int64_t length, int64_t position) {
    const int64_t n = model->vocabulary;
    float *values = work->values;
    int64_t i;
    for (i = 0; i < n; i++) values[i] = logits[i] == logits[i] ? logits[i] : -INFINITY;
    for (; i < model->vocabulary_padded; i++) values[i] = -INFINITY;
    for (i = 0; i < rules->banned_count; i++) values[rules->banned[i]] = -INFINITY;
    if (rules->stop >= 0 && position < rules->min_length) values[rules->stop] = -INFINITY;
    if (counts && rules->repetition != 1.0) {
        const float divisor = (float)rules->repetition;
        for (i = 0; i < n; i++) {
            float weaker = values[i] > 0 ? values[i] / divisor : values[i] * divisor;
            values[i] = counts[i] > 0 ? weaker : values[i];
        }
    }
    if (counts && (rules->presence != 0.0 || rules->frequency != 0.0)) {
        const float presence = (float)rules->presence, frequency = (float)rules->frequency;
        for (i = 0; i < n; i++) values[i] -= (counts[i] > 0 ? presence : 0.0f) + frequency * (float)counts[i];
    }
    if (rules->dry_multiplier > 0.0) pl_dry(rules, history, length, values, work->longest);
}

/* Whether candidate a comes before b: the larger key first, of equals the lower id. */
INLINE TARGET int NAME(before)(const float *key, int32_t a, int32_t b) {
    return key[a] > key[b] || (key[a] == key[b] && a < b);
}

static TARGET void NAME(sift)(int32_t *list, int64_t root, int64_t n, const float *key) {
    int32_t moved = list[root];
    int64_t child;
    while ((child = 2 * root + 1) < n) {
        if (child + 1 < n && NAME(before)(key, list[child + 1], list[child])) child++;
        if (!NAME(before)(key, list[child], moved)) break;
        list[root] = list[child];
        root = child;
    }
    list[root] = moved;
}

/* Keeps the first candidates by key: at most `most`, and no more than it takes for their mass to reach `enough`. */
static TARGET int64_t NAME(take)(int32_t *list, int64_t n, const float *key, const float *mass, int64_t most,
                                 double enough) {
    int64_t left = n, i;
    double sum = 0;
    for (i = n / 2 - 1; i >= 0; i--) NAME(sift)(list, i, n, key);
    while (left > 0 && n - left < most) {
        int32_t best = list[0];
        left--;
        list[0] = list[left];
        list[left] = best;
        NAME(sift)(list, 0, left, key);
        sum += (double)mass[best];
        if (sum >= enough) break;
    }
    memmove(list, list + left, (size_t)(n - left) * sizeof(int32_t));
    return n - left;
}

INLINE TARGET double NAME(mass_of)(const int32_t *list, int64_t n, const float *mass) {
    double sum = 0;
    int64_t i;
    for (i = 0; i < n; i++) sum += (double)mass[list[i]];
    return sum;
}

/* top_k, typical, top_p, min_p: the candidates that are left, in work->order; how many goes out. */
static TARGET int64_t NAME(filter)(const pl_model *model, pl_work *work, const pl_rules *rules, float scale,
                                   float highest, double total) {
    const float *mass = work->mass;
    int32_t *list = work->order;
    const int only_nucleus = rules->top_k == 0 && rules->typical >= 1.0;
    /* all tokens below this together weigh less than 1 - top_p, so that none of them can be in the nucleus */
    const float floor =
        only_nucleus ? (float)((1.0 - rules->top_p) * 0.999 * total / (double)model->vocabulary) : 0.0f;
    int64_t n = 0, i;
    for (i = 0; i < model->vocabulary; i++) {
        list[n] = (int32_t)i;
        n += mass[i] > floor;
    }
    if (rules->top_k > 0) n = NAME(take)(list, n, mass, mass, rules->top_k, INFINITY);
    if (rules->typical < 1.0) {
        float *key = work->values; /* minus the distance of each surprise from the mean surprise */
        double mean = 0, kept = NAME(mass_of)(list, n, mass);
        for (i = 0; i < n; i++) {
            key[list[i]] = (key[list[i]] - highest) * scale;
            mean += (double)mass[list[i]] * (double)key[list[i]];
        }
        for (i = 0; i < n; i++) {
            double distance = (double)key[list[i]] - mean / kept;
            key[list[i]] = (float)(distance < 0 ? distance : -distance);
        }
        n = NAME(take)(list, n, key, mass, n, rules->typical * kept);
    }
    if (rules->top_p < 1.0)
        n = NAME(take)(list, n, mass, mass, n, rules->top_p * (only_nucleus ? total : NAME(mass_of)(list, n, mass)));
    if (rules->min_p > 0.0) {
        float most = 0;
        int64_t kept = 0;
        for (i = 0; i < n; i++) most = mass[list[i]] > most ? mass[list[i]] : most;
        for (i = 0; i < n; i++)
            if ((double)mass[list[i]] >= rules->min_p * (double)most) list[kept++] = list[i];
        n = kept;
    }
    return n;
}

/* The id at which the running sum in id order exceeds uniform * sum. Few candidates are put in order, many are
 * marked in work->values. */
static TARGET int64_t NAME(draw)(const pl_model *model, pl_work *work, int64_t n, double uniform) {
    int32_t *list = work->order;
    const float *mass = work->mass;
    double sum = 0, running = 0, target;
    int64_t i, j, last = list[0];
    if (n <= 24) {
        for (i = 1; i < n; i++) {
            int32_t moved = list[i];
            for (j = i; j > 0 && list[j - 1] > moved; j--) list[j] = list[j - 1];
            list[j] = moved;
        }
        target = uniform * NAME(mass_of)(list, n, mass);
        for (i = 0; i < n; i++) {
            running += (double)mass[list[i]];
            if (running > target) return list[i];
        }
        return list[n - 1];
    }
    for (i = 0; i < model->vocabulary; i++) work->values[i] = 0;
    for (i = 0; i < n; i++) work->values[list[i]] = mass[list[i]];
    for (i = 0; i < n; i++) sum += (double)mass[list[i]];
    target = uniform * sum;
    for (i = 0; i < model->vocabulary; i++) {
        running += (double)work->values[i];
        if (work->values[i] > 0) last = i;
        if (running > target) return i;
    }
    return last;
}

/* Greedy, or nothing to choose from: the lowest id among the likeliest, else the lowest that is not banned. */
static TARGET int64_t NAME(first)(const pl_model *model, const pl_work *work, const pl_rules *rules, float highest) {
    int64_t i, j;
    for (i = 0; i < model->vocabulary; i++)
        if (work->values[i] == highest && highest > -INFINITY) return i;
    for (i = 0; i < model->vocabulary; i++) {
        for (j = 0; j < rules->banned_count && rules->banned[j] != i; j++) {}
        if (j == rules->banned_count) return i;
    }
    return 0;
}

/* The whole chain. With `wanted` the final probabilities (vocabulary) are written there and nothing is drawn. */
static TARGET int64_t NAME(choose)(const pl_model *model, pl_work *work, const pl_rules *rules, const float *logits,
                                   const int32_t *counts, const int64_t *history, int64_t length, int64_t position,
                                   double uniform, float *wanted) {
    const int64_t n = model->vocabulary;
    const int filtered = rules->top_k > 0 || rules->typical < 1.0 || rules->top_p < 1.0 || rules->min_p > 0.0;
    double degrees = rules->cycle_count ? rules->cycle[position % rules->cycle_count] : rules->temperature;
    double total, running = 0;
    float highest, scale;
    int64_t i, kept, chosen = -1;
    NAME(penalise)(model, work, rules, logits, counts, history, length, position);
    highest = NAME(largest)(work->values, model->vocabulary_padded);
    if (degrees == 0.0 || !(highest > -INFINITY && highest < INFINITY)) {
        chosen = NAME(first)(model, work, rules, highest);
        if (wanted)
            for (i = 0; i < n; i++) wanted[i] = i == chosen ? 1.0f : 0.0f;
        return chosen;
    }
    scale = (float)(degrees > 1e-30 ? 1.0 / degrees : 1e30);
    NAME(exponentials)(work->values, highest, scale, model->vocabulary_padded, work->mass);
    total = NAME(total)(work->mass, model->vocabulary_padded);
    if (filtered) {
        kept = NAME(filter)(model, work, rules, scale, highest, total);
        if (!wanted) return NAME(draw)(model, work, kept, uniform);
        total = NAME(mass_of)(work->order, kept, work->mass);
        for (i = 0; i < n; i++) wanted[i] = 0;
        for (i = 0; i < kept; i++) wanted[work->order[i]] = (float)((double)work->mass[work->order[i]] / total);
        return -1;
    }
    if (wanted) {
        for (i = 0; i < n; i++) wanted[i] = (float)((double)work->mass[i] / total);
        return -1;
    }
    for (i = 0; i < n; i++) {
        if (work->mass[i] > 0) chosen = i;
        running += (double)work->mass[i];
        if (running > uniform * total) break;
    }
    return chosen;
}

/* The network's own probability of one id, before any rule. */
static TARGET float NAME(own_probability)(const pl_model *model, pl_work *work, const float *logits, int64_t id) {
    const int64_t padded = model->vocabulary_padded;
    float highest = NAME(largest)(logits, padded);
    NAME(exponentials)(logits, highest, 1.0f, padded, work->mass);
    return (float)((double)work->mass[id] / NAME(total)(work->mass, padded));
}
