"""bench/compare/tuning_trl.py TASK MODE MODEL DATA STEPS THREADS — the side of TRL and PEFT of tuning.py: one process.

TASK: lora, full (4 rows packed to 512), dpo (2 pairs). MODE: fp32, bf16 (weights in bf16). MODEL: a directory of
Hugging Face's form; DATA: Alpaca rows, or ShareGPT pairs. Prints one line of JSON behind what TRL prints: tokens and
pairs for each second of the steps behind two that warm up, tokens for each of these steps, the losses, the seconds
before the first step, and the peak memory of the process. Tokens are those of prompts and answers that the model
reads, without padding, as quern counts them."""
import json
import pathlib
import resource
import sys
import tempfile
import time

BEGIN = time.perf_counter()
import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback  # noqa: E402
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer  # noqa: E402

WARM, CONTEXT = 2, 512
ROLES = {"human": "user", "gpt": "assistant", "system": "system"}


class Watch(TrainerCallback):
    def __init__(self):
        self.seconds, self.tokens, self.loss, self.start, self.first = [], [], [], 0.0, None

    def on_step_begin(self, args, state, control, **_):
        self.start = time.perf_counter()
        self.first = self.first or self.start - BEGIN
        self.tokens.append(0)

    def on_step_end(self, args, state, control, **_):
        self.seconds.append(time.perf_counter() - self.start)

    def on_log(self, args, state, control, logs=None, **_):
        if logs and "loss" in logs:
            self.loss.append(float(logs["loss"]))


def sft_rows(rows):
    return Dataset.from_list([
        {"prompt": [{"role": "user", "content": (row["instruction"] + "\n" + row["input"]).strip()}],
         "completion": [{"role": "assistant", "content": row["output"]}]} for row in rows])


def dpo_rows(rows):
    return Dataset.from_list([
        {"prompt": [{"role": ROLES[turn["from"]], "content": turn["value"]} for turn in row["conversations"]],
         "chosen": [{"role": "assistant", "content": row["chosen"]["value"]}],
         "rejected": [{"role": "assistant", "content": row["rejected"]["value"]}]} for row in rows])


def trainer_of(task, model, tok, rows, common, watch):
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    if task == "dpo":
        args = DPOConfig(max_length=CONTEXT, beta=0.1, per_device_train_batch_size=2, **common)
        return DPOTrainer(model=model, args=args, train_dataset=dpo_rows(rows), processing_class=tok, peft_config=lora,
                          callbacks=[watch])
    args = SFTConfig(max_length=CONTEXT, per_device_train_batch_size=4, packing=True, packing_strategy="wrapped",
                     **common)
    return SFTTrainer(model=model, args=args, train_dataset=sft_rows(rows), processing_class=tok,
                      peft_config=lora if task == "lora" else None, callbacks=[watch])


def main():
    task, mode, path, data, steps, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    tok = AutoTokenizer.from_pretrained(path)
    tok.pad_token = tok.pad_token or tok.eos_token
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16 if mode == "bf16" else torch.float32)
    rows, watch = json.loads(pathlib.Path(data).read_text(encoding="utf-8")), Watch()
    with tempfile.TemporaryDirectory() as out:
        common = {"output_dir": out, "max_steps": int(steps) + WARM, "use_cpu": True, "bf16": mode == "bf16",
                  "fp16": False, "save_strategy": "no", "report_to": "none", "logging_steps": 1, "seed": 1,
                  "gradient_checkpointing": False, "dataloader_pin_memory": False, "disable_tqdm": True,
                  "learning_rate": 1e-4}
        trainer = trainer_of(task, model, tok, rows, common, watch)
        inner = trainer.compute_loss

        def counted(of, inputs, *more, **named):
            mask, ids = inputs.get("attention_mask"), inputs["input_ids"]
            watch.tokens[-1] += int(mask.sum()) if mask is not None else ids.numel()
            return inner(of, inputs, *more, **named)

        trainer.compute_loss = counted
        trainer.train()
    seconds = sum(watch.seconds[WARM:])
    tokens = sum(watch.tokens[WARM:])
    print(json.dumps({"tokens_per_second": tokens / seconds, "tokens_per_step": tokens / int(steps), "loss": watch.loss,
                      "pairs_per_second": 2 * len(watch.seconds[WARM:]) / seconds, "first_step_s": watch.first,
                      "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 976.6}))


if __name__ == "__main__":
    main()
