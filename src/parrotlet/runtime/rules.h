/* One row of logits and the rules come in; the id that is drawn goes out. The compiled twin of sampling.py.
 *
 * Included once for each instruction set. No memory is taken and nothing is sorted: work->mass holds exp(logit) of
 * every token, and filters set the mass of what they drop to 0. */

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

/* Floats in the order of whole numbers: the place of a float, and the float at a place. */
INLINE TARGET int64_t NAME(place_of)(float number) {
    union { float number; int32_t bits; } both;
    both.number = number;
    return both.bits >= 0 ? both.bits : -(int64_t)(both.bits & INT32_MAX);
}

INLINE TARGET float NAME(float_at)(int64_t place) {
    union { float number; int32_t bits; } both;
    both.bits = (int32_t)(place >= 0 ? place : -place);
    return place >= 0 ? both.number : -both.number;
}

/* Keeps the first candidates by rank (of equals the lowest ids): no more than `most`, and no more than it takes for
 * their mass to reach `enough`; the mass of all others becomes 0. No sorting: the least rank that is kept is found by
 * halving the floats from `lowest` to `highest`. */
static TARGET void NAME(take)(const float *rank, float *mass, int64_t n, int64_t most, double enough, float lowest,
                              float highest) {
    int64_t low = NAME(place_of)(lowest), high = NAME(place_of)(highest) + 1;
    int64_t some = n, few = 0, count, i; /* candidates of rank low and higher, high and higher */
    double above = 0;
    float least, next;
    while (high - low > 1 && some - few > 1) {
        const int64_t middle = low + (high - low) / 2;
        const double sum = NAME(measure)(rank, mass, n, NAME(float_at)(middle), &count);
        if (count >= most || sum >= enough) {
            low = middle;
            some = count;
        } else {
            high = middle;
            few = count;
            above = sum;
        }
    }
    least = NAME(float_at)(low);
    next = NAME(float_at)(high);
    if (some - few == 1) {
        for (i = 0; i < n; i++) mass[i] = rank[i] >= least ? mass[i] : 0.0f;
        return;
    }
    for (i = 0; i < n; i++) {
        if (rank[i] >= next) continue;
        if (rank[i] >= least && few < most && above < enough) {
            few++;
            above += (double)mass[i];
        } else {
            mass[i] = 0;
        }
    }
}

/* Ranks candidates by their mass; the least mass that counts is `floor`. */
static TARGET void NAME(take_likeliest)(const pl_model *model, pl_work *work, int64_t most, double enough,
                                        float floor) {
    const int64_t n = model->vocabulary_padded;
    memcpy(work->rank, work->mass, (size_t)n * sizeof(float));
    NAME(take)(work->rank, work->mass, n, most, enough, floor, 1.0f);
}

/* Ranks candidates by how near their surprise is to the mean surprise; `scale` and `highest` as in choose. */
static TARGET void NAME(take_typical)(const pl_model *model, pl_work *work, double share, float scale, float highest) {
    const int64_t n = model->vocabulary_padded;
    const double kept = NAME(total)(work->mass, n);
    double mean = 0;
    int64_t i;
    for (i = 0; i < n; i++) {
        work->rank[i] = (work->values[i] - highest) * scale;
        if (work->mass[i] > 0) mean += (double)work->mass[i] * (double)work->rank[i];
    }
    for (i = 0; i < n; i++) {
        float distance = (float)((double)work->rank[i] - mean / kept);
        distance = distance < 0 ? distance : -distance;
        work->rank[i] = work->mass[i] > 0 ? distance : -INFINITY;
    }
    NAME(take)(work->rank, work->mass, n, n, share * kept, -1000.0f, 0.0f);
}

/* top_k, typical, top_p, min_p: what they drop has no mass afterwards. The largest mass is 1 when this begins. */
static TARGET void NAME(filter)(const pl_model *model, pl_work *work, const pl_rules *rules, float scale,
                                float highest, double total) {
    const int64_t n = model->vocabulary_padded;
    const int shortened = rules->top_k > 0 && rules->top_k < model->vocabulary;
    const int changed = shortened || rules->typical < 1.0;
    int64_t i;
    if (shortened) NAME(take_likeliest)(model, work, rules->top_k, INFINITY, 1e-45f);
    if (rules->typical < 1.0) NAME(take_typical)(model, work, rules->typical, scale, highest);
    if (rules->top_p < 1.0) {
        /* all tokens below this together weigh less than 1 - top_p: none of them can be in the nucleus */
        if (changed) total = NAME(total)(work->mass, n);
        NAME(take_likeliest)(model, work, n, rules->top_p * total,
                             (float)((1.0 - rules->top_p) * 0.99 * total / (double)n) + 1e-45f);
    }
    if (rules->min_p > 0.0) {
        const float least = (float)(rules->min_p * (double)NAME(largest)(work->mass, n));
        for (i = 0; i < n; i++) work->mass[i] = work->mass[i] >= least ? work->mass[i] : 0.0f;
    }
}

/* The id at which the running sum of mass, in id order, exceeds uniform * sum. */
static TARGET int64_t NAME(draw)(const pl_model *model, pl_work *work, double uniform) {
    const float *mass = work->mass;
    int32_t *list = work->list;
    double running = 0, target;
    int64_t n = 0, i;
    for (i = 0; i < model->vocabulary; i++) {
        list[n] = (int32_t)i;
        n += mass[i] > 0;
    }
    for (i = 0; i < n; i++) running += (double)mass[list[i]];
    target = uniform * running;
    for (i = 0, running = 0; i < n - 1; i++) {
        running += (double)mass[list[i]];
        if (running > target) break;
    }
    return list[i];
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
    double degrees = rules->cycle_count ? rules->cycle[position % rules->cycle_count] : rules->temperature;
    double total;
    float highest, scale;
    int64_t i, chosen;
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
    if (rules->top_k > 0 || rules->typical < 1.0 || rules->top_p < 1.0 || rules->min_p > 0.0)
        NAME(filter)(model, work, rules, scale, highest, total);
    if (!wanted) return NAME(draw)(model, work, uniform);
    total = NAME(total)(work->mass, model->vocabulary_padded);
    for (i = 0; i < n; i++) wanted[i] = (float)((double)work->mass[i] / total);
    return -1;
}

/* The network's own probability of one id, before any rule. */
static TARGET float NAME(own_probability)(const pl_model *model, pl_work *work, const float *logits, int64_t id) {
    const int64_t padded = model->vocabulary_padded;
    float highest = NAME(largest)(logits, padded);
    NAME(exponentials)(logits, highest, 1.0f, padded, work->mass);
    return (float)((double)work->mass[id] / NAME(total)(work->mass, padded));
}
