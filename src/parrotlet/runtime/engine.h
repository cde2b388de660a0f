/* A packed model and ids, or a request, come in; logits, or written ids, go out: the loops over time.
 * Included once for each instruction set, after vector.h, cells.h, layers.h and rules.h. */

/* State of a row between the caller's (rows, state_layers, state_parts, state_units) and the working memory. What a
 * layer does not use is zero on both sides. */
static TARGET void NAME(move_state)(const pl_model *model, pl_work *work, int64_t row, float *outside, int in) {
    const int64_t size = model->state_layers * model->state_parts * model->state_units;
    int64_t index, part;
    outside += row * size;
    if (in) memset(work->state + row * model->state, 0, (size_t)model->state * sizeof(float));
    else memset(outside, 0, (size_t)size * sizeof(float));
    if (in) work->read[row] = 0;
    for (index = 0; index < model->layers; index++) {
        const pl_layer *layer = &model->layer[index];
        const int ring = layer->kind == PL_CONVOLUTION;
        const int64_t parts = ring ? model->state_parts : layer->kind == PL_LSTM ? 2 : 1;
        if (layer->kind == PL_DENSE) continue;
        for (part = 0; part < parts; part++) {
            const int64_t place = ring ? (part + work->read[row]) % NAME(ring)(model) : part;
            float *inner = NAME(state_of)(model, work, row, layer) + place * layer->padded;
            float *outer = outside + (layer->place * model->state_parts + part) * model->state_units;
            memcpy(in ? inner : outer, in ? outer : inner, (size_t)layer->units * sizeof(float));
        }
    }
}

/* The output layer of up to PL_ROWS items: each out is (vocabulary_padded). */
static TARGET void NAME(project)(const pl_model *model, const pl_work *work, const float *const *features,
                                 int64_t count, float *const *out) {
    const float *start[PL_ROWS];
    int64_t i;
    for (i = 0; i < count; i++) start[i] = model->output_bias;
    NAME(product)(&model->output, work, count, features, start, out);
}

/* ids (rows, length) -> logits (rows, length, vocabulary); state is read and replaced. */
static TARGET void NAME(read)(const pl_model *model, pl_work *work, int64_t rows, int64_t length, const int64_t *ids,
                              float *state, float *logits) {
    const int64_t n = model->vocabulary, step = PL_ITEMS / rows;
    const float *features[PL_ITEMS];
    float *out[PL_ROWS];
    pl_block block;
    int64_t row, begin, item, k;
    for (k = 0; k < PL_ROWS; k++) out[k] = work->logits + k * model->vocabulary_padded;
    for (row = 0; row < rows; row++) NAME(move_state)(model, work, row, state, 1);
    block.rows = rows;
    for (begin = 0; begin < length; begin += step) {
        int64_t items;
        block.steps = length - begin < step ? length - begin : step;
        for (row = 0; row < rows; row++) {
            block.ids[row] = ids + row * length + begin;
            block.begin[row] = block.first[row] = 0;
            block.count[row] = block.steps;
            block.slot[row] = row;
        }
        NAME(evaluate)(model, work, &block);
        items = NAME(features)(model, work, &block, features);
        for (item = 0; item < items; item += PL_ROWS) {
            int64_t some = items - item < PL_ROWS ? items - item : PL_ROWS;
            NAME(project)(model, work, features + item, some, out);
            for (k = item; k < item + some; k++)
                memcpy(logits + (k / block.steps * length + begin + k % block.steps) * n, out[k - item],
                       (size_t)n * sizeof(float));
        }
    }
    for (row = 0; row < rows; row++) NAME(move_state)(model, work, row, state, 0);
}

/* Row r of a block begins to read a window of which the last `unknown` ids are still to come. */
static TARGET void NAME(open_window)(const pl_model *model, pl_work *work, pl_block *block, int64_t r,
                                     const int64_t *ids, int64_t unknown) {
    float *state = work->state + r * model->state;
    const size_t size = (size_t)model->state * sizeof(float);
    int64_t first = 0;
    while (first < model->context - 1 && ids[first] == model->vocabulary) first++;
    if (model->padding && !model->padded_states) first = 0;
    if (model->padded_states) memcpy(state, model->padded_states + first * model->state, size);
    else memset(state, 0, size);
    block->steps = model->context;
    block->ids[r] = ids;
    block->slot[r] = r;
    block->begin[r] = block->first[r] = first;
    block->count[r] = model->context - unknown - first;
}

/* Evaluates a block and the output layer where it is wanted: out[k] is (vocabulary_padded). */
static TARGET void NAME(foresee)(const pl_model *model, pl_work *work, const pl_block *block, float *const *out) {
    const float *features[PL_ITEMS];
    NAME(evaluate)(model, work, block);
    NAME(project)(model, work, features, NAME(features)(model, work, block, features), out);
}

/* Windows that begin at ids + starts[k] -> logits (count, vocabulary). */
static TARGET void NAME(read_windows)(const pl_model *model, pl_work *work, const int64_t *ids, int64_t count,
                                      const int64_t *starts, float *logits) {
    float *out[PL_ROWS];
    pl_block block;
    int64_t begin, k;
    for (k = 0; k < PL_ROWS; k++) out[k] = work->logits + k * model->vocabulary_padded;
    for (begin = 0; begin < count; begin += block.rows) {
        block.rows = count - begin < model->windows ? count - begin : model->windows;
        for (k = 0; k < block.rows; k++) NAME(open_window)(model, work, &block, k, ids + starts[begin + k], 0);
        NAME(foresee)(model, work, &block, out);
        for (k = 0; k < block.rows; k++)
            memcpy(logits + (begin + k) * model->vocabulary, out[k], (size_t)model->vocabulary * sizeof(float));
    }
}

/* Fills padded_states, and padded_items where attention looks at them: windows that begin with k paddings. */
static TARGET void NAME(pad)(const pl_model *model, pl_work *work) {
    const int64_t padding = model->vocabulary;
    pl_block block = {1, 1, {0}, {0}, {0}, {1}, {0}};
    int64_t k;
    block.ids[0] = &padding;
    memset(work->state, 0, (size_t)model->state * sizeof(float));
    for (k = 0; k < model->context; k++) {
        memcpy(model->padded_states + k * model->state, work->state, (size_t)model->state * sizeof(float));
        NAME(evaluate)(model, work, &block);
        if (model->padded_items)
            memcpy(model->padded_items + k * model->width, work->items, (size_t)model->width * sizeof(float));
    }
}

/* What follows the i-th id that each of `active` rows has written, from its window.
 *
 * Few texts begin several windows each at once, those of the next ids as far as these are known, so that they share the
 * weights that are loaded; `begun` holds the ones that are not complete, none at first and after a text has ended. */
static TARGET void NAME(advance_windows)(const pl_model *model, pl_work *work, const pl_request *request,
                                         int64_t active, const int64_t *slots, int64_t i, pl_block *begun,
                                         float *const *out) {
    const int64_t stride = model->context + request->count, most = model->windows / active;
    int64_t ahead = model->ahead < most ? model->ahead : most, begin, rows, r, k;
    if (ahead > request->count - i) ahead = request->count - i;
    if (begun->rows == 0 && ahead < 2) {
        for (begin = 0; begin < active; begin += rows) {
            rows = begun->rows = active - begin < model->windows ? active - begin : model->windows;
            for (r = 0; r < rows; r++)
                NAME(open_window)(model, work, begun, r, request->context + slots[begin + r] * stride + i + 1, 0);
            NAME(foresee)(model, work, begun, out + begin);
        }
        begun->rows = 0;
        return;
    }
    for (r = 0; r < begun->rows; r++) {
        begun->begin[r] += begun->count[r];
        begun->count[r] = 1;
    }
    if (begun->rows == 0)
        for (k = 0; k < active; k++)
            for (r = 0; r < ahead; r++)
                NAME(open_window)(model, work, begun, begun->rows++, request->context + slots[k] * stride + i + 1 + r,
                                  r);
    NAME(foresee)(model, work, begun, out);
    rows = begun->rows;
    begun->rows = 0;
    for (r = 0; r < rows; r++) {
        if (begun->begin[r] + begun->count[r] == model->context) continue;
        k = begun->rows++;
        begun->ids[k] = begun->ids[r];
        begun->first[k] = begun->first[r];
        begun->begin[k] = begun->begin[r];
        begun->count[k] = begun->count[r];
        begun->slot[k] = begun->slot[r];
    }
}

/* Reads the id that each of `active` rows has just written (the i-th), and replaces the logits of these rows. */
static TARGET void NAME(advance)(const pl_model *model, pl_work *work, const pl_request *request, int64_t active,
                                 const int64_t *slots, int64_t i, pl_block *begun) {
    float *out[PL_ROWS];
    pl_block block;
    int64_t k;
    for (k = 0; k < active; k++) {
        out[k] = work->logits + slots[k] * model->vocabulary_padded;
        block.ids[k] = request->ids + slots[k] * request->count + i;
        block.begin[k] = block.first[k] = 0;
        block.count[k] = 1;
        block.slot[k] = slots[k];
    }
    if (model->context) {
        NAME(advance_windows)(model, work, request, active, slots, i, begun, out);
        return;
    }
    block.rows = active;
    block.steps = 1;
    NAME(foresee)(model, work, &block, out);
}

/* Up to `count` tokens for each row: rules, draw, step, all in here. A row that ends keeps its last state. */
static TARGET void NAME(write)(const pl_model *model, pl_work *work, const pl_rules *rules, pl_request *request) {
    const int64_t padded = model->vocabulary_padded, n = model->vocabulary, count = request->count;
    int64_t slots[PL_ROWS], active = request->rows, row, i, k;
    pl_block begun;
    begun.rows = 0;
    for (row = 0; row < request->rows; row++) {
        float *logits = work->logits + row * padded;
        slots[row] = row;
        request->lengths[row] = 0;
        if (!model->context) NAME(move_state)(model, work, row, request->state, 1);
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
            if (model->context) request->context[row * (model->context + count) + model->context + i] = id;
            if (request->probabilities)
                request->probabilities[row * count + i] = NAME(own_probability)(model, work, logits, id);
            request->lengths[row] = i + 1;
            if (request->history_capacity) pl_remember(rules, history, &request->history_lengths[row], counts, id);
            if (id != rules->stop) slots[kept++] = row;
        }
        if (kept < active) begun.rows = 0;
        active = kept;
        if (active > 0) NAME(advance)(model, work, request, active, slots, i, &begun);
    }
    for (row = 0; row < request->rows; row++) {
        if (!model->context) NAME(move_state)(model, work, row, request->state, 0);
        memcpy(request->logits + row * n, work->logits + row * padded, (size_t)n * sizeof(float));
    }
}
