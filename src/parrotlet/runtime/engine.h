/* A packed model and ids, or a request, come in; logits, or written ids, go out: the loops over time.
 * Included once for each instruction set, after vector.h, cells.h and rules.h. */

/* State of `rows` rows between the caller's (rows, layers, parts, hidden) and the padded working memory. */
static TARGET void NAME(move_state)(const pl_model *model, pl_work *work, int64_t row, float *outside, int in) {
    const int64_t parts = model->kind == PL_LSTM ? 2 : 1;
    int64_t layer, part;
    for (layer = 0; layer < model->layers; layer++)
        for (part = 0; part < parts; part++) {
            float *inner = NAME(state_of)(model, work, row, layer) + part * model->padded;
            float *outer = outside + ((row * model->layers + layer) * parts + part) * model->hidden;
            size_t size = (size_t)model->hidden * sizeof(float);
            if (in) {
                memset(inner, 0, (size_t)model->padded * sizeof(float));
                memcpy(inner, outer, size);
            } else {
                memcpy(outer, inner, size);
            }
        }
}

/* ids (rows, length) -> logits (rows, length, vocabulary); state is read and replaced. */
static TARGET void NAME(read)(const pl_model *model, pl_work *work, int64_t rows, int64_t length, const int64_t *ids,
                              float *state, float *logits) {
    const int64_t n = model->vocabulary, step = PL_ITEMS / rows;
    int64_t slots[PL_ROWS], some[PL_ITEMS], row, begin, t, item, k;
    float *out[PL_ROWS];
    for (k = 0; k < PL_ROWS; k++) out[k] = work->logits + k * model->vocabulary_padded;
    for (row = 0; row < rows; row++) {
        slots[row] = row;
        NAME(move_state)(model, work, row, state, 1);
    }
    for (begin = 0; begin < length; begin += step) {
        int64_t steps = length - begin < step ? length - begin : step, items = rows * steps;
        for (row = 0; row < rows; row++)
            for (t = 0; t < steps; t++) some[row * steps + t] = ids[row * length + begin + t];
        NAME(advance)(model, work, rows, steps, slots, some);
        for (item = 0; item < items; item += PL_ROWS) {
            int64_t some_items = items - item < PL_ROWS ? items - item : PL_ROWS;
            NAME(project)(model, work, item, some_items, out);
            for (k = item; k < item + some_items; k++)
                memcpy(logits + (k / steps * length + begin + k % steps) * n, out[k - item], (size_t)n * sizeof(float));
        }
    }
    for (row = 0; row < rows; row++) NAME(move_state)(model, work, row, state, 0);
}

/* Up to `count` tokens for each row: rules, draw, step, all in here. A row that ends keeps its last state. */
static TARGET void NAME(write)(const pl_model *model, pl_work *work, const pl_rules *rules, pl_request *request) {
    const int64_t padded = model->vocabulary_padded, n = model->vocabulary, count = request->count;
    int64_t slots[PL_ROWS], ids[PL_ROWS], active = request->rows, row, i, k;
    float *out[PL_ROWS];
    for (row = 0; row < request->rows; row++) {
        float *logits = work->logits + row * padded;
        slots[row] = row;
        request->lengths[row] = 0;
        NAME(move_state)(model, work, row, request->state, 1);
        memcpy(logits, request->logits + row * n, (size_t)n * sizeof(float));
        for (i = n; i < padded; i++) logits[i] = -INFINITY;
    }
    for (i = 0; i < count && active > 0; i++) {
        int64_t kept = 0;
        for (k = 0; k < active; k++) {
            const int64_t position = request->positions[row = slots[k]] + i;
            const float *logits = work->logits + row * padded;
            int64_t *history = request->history + row * request->history_capacity, id;
            int32_t *counts = work->counts ? work->counts + row * padded : 0;
            id = NAME(choose)(model, work, rules, logits, counts, history, request->history_lengths[row], position,
                              pl_uniform(request->seed, (uint64_t)request->streams[row], (uint64_t)position), 0);
            request->ids[row * count + i] = id;
            request->probabilities[row * count + i] = NAME(own_probability)(model, work, logits, id);
            request->lengths[row] = i + 1;
            if (request->history_capacity) pl_remember(rules, history, &request->history_lengths[row], counts, id);
            if (id == rules->stop) continue;
            slots[kept] = row;
            ids[kept++] = id;
        }
        active = kept;
        if (active == 0) break;
        NAME(advance)(model, work, active, 1, slots, ids);
        for (k = 0; k < active; k++) out[k] = work->logits + slots[k] * padded;
        NAME(project)(model, work, 0, active, out);
    }
    for (row = 0; row < request->rows; row++) {
        NAME(move_state)(model, work, row, request->state, 0);
        memcpy(request->logits + row * n, work->logits + row * padded, (size_t)n * sizeof(float));
    }
}
