"""Modules and architectures of torch, torchvision, timm and transformers, small enough for Tenon's reference executor.

`all_exports()` gives (name, make) pairs: make() returns a module with seeded weights and the tuple of its inputs.
"""

import torch
from torch import nn


class Function(nn.Module):
    """A function of tensors as a module; `state` are modules or parameters that it uses."""

    def __init__(self, body, **state):
        super().__init__()
        self.body = body
        for name, value in state.items():
            setattr(self, name, value)

    def forward(self, *inputs):
        return self.body(self, *inputs)


def real(*shape):
    return torch.randn(*shape)


def whole(high, *shape):
    return torch.randint(0, high, shape)


def constant(*shape):
    return nn.Parameter(torch.randn(*shape), requires_grad=False)


def beside_constant(axis, *shapes):
    """A convolution's result joined with a constant along an axis: both may lie in blocks."""
    return lambda: (
        Function(
            lambda m, x: torch.cat([m.conv(x).relu(), m.constant], axis),
            conv=nn.Conv2d(3, 16, 3, padding=1),
            constant=constant(*shapes),
        ),
        (real(1, 3, 8, 8),),
    )


def module(make, *inputs):
    return lambda: (make(), inputs_of(inputs))


def inputs_of(makers):
    return tuple(make() for make in makers)


def f32(*shape):
    return lambda: real(*shape)


MODULES = {
    "linear": module(lambda: nn.Linear(24, 17), f32(5, 24)),
    "bilinear": module(lambda: nn.Bilinear(6, 7, 5), f32(4, 6), f32(4, 7)),
    "conv1d_dilated": module(lambda: nn.Conv1d(6, 10, 3, dilation=2, padding=2), f32(2, 6, 21)),
    "conv2d_grouped": module(lambda: nn.Conv2d(12, 24, 3, stride=2, padding=1, groups=3), f32(2, 12, 15, 13)),
    "conv2d_depthwise": module(lambda: nn.Conv2d(20, 20, 5, padding=2, groups=20), f32(1, 20, 14, 14)),
    "conv3d": module(lambda: nn.Conv3d(4, 8, 3, padding=1), f32(1, 4, 6, 7, 8)),
    "conv_transpose1d_grouped": module(lambda: nn.ConvTranspose1d(8, 12, 4, stride=2, groups=2), f32(2, 8, 11)),
    "conv_transpose2d": module(
        lambda: nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1), f32(1, 8, 9, 7)
    ),
    "conv_transpose3d": module(lambda: nn.ConvTranspose3d(4, 4, 2, stride=2), f32(1, 4, 3, 4, 5)),
    "batch_norm": module(lambda: nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 1)), f32(2, 16, 6, 6)),
    "group_norm": module(lambda: nn.GroupNorm(4, 16), f32(2, 16, 6, 5)),
    "instance_norm": module(lambda: nn.InstanceNorm2d(6, affine=True), f32(2, 6, 7, 5)),
    "layer_norm": module(lambda: nn.LayerNorm([5, 24]), f32(3, 5, 24)),
    "rms_norm": module(lambda: nn.RMSNorm(24), f32(3, 5, 24)),
    "embedding": module(lambda: nn.Embedding(30, 12), lambda: whole(30, 2, 7)),
    "lstm": module(lambda: nn.LSTM(8, 12, num_layers=2, bidirectional=True), f32(6, 2, 8)),
    "gru": module(lambda: nn.GRU(8, 12, batch_first=True), f32(2, 6, 8)),
    "rnn": module(lambda: nn.RNN(8, 12), f32(6, 2, 8)),
    "attention": lambda: (
        Function(lambda m, x: m.attention(x, x, x)[0], attention=nn.MultiheadAttention(24, 3, batch_first=True)),
        (real(2, 7, 24),),
    ),
    "encoder_layer": module(
        lambda: nn.TransformerEncoderLayer(24, 3, 48, activation="gelu", batch_first=True), f32(2, 7, 24)
    ),
    "decoder_layer": module(lambda: nn.TransformerDecoderLayer(24, 3, 48, batch_first=True), f32(2, 5, 24), f32(2, 7, 24)),
    "pixel_shuffle": module(lambda: nn.Sequential(nn.Conv2d(4, 16, 3, padding=1), nn.PixelShuffle(2)), f32(1, 4, 6, 6)),
    "pixel_unshuffle": module(lambda: nn.PixelUnshuffle(2), f32(1, 4, 6, 6)),
    "channel_shuffle": module(
        lambda: nn.Sequential(nn.Conv2d(4, 16, 1), nn.ChannelShuffle(4), nn.Conv2d(16, 8, 1)), f32(1, 4, 6, 6)
    ),
    "upsample_nearest": module(lambda: nn.Upsample(scale_factor=2), f32(1, 16, 5, 6)),
    "upsample_linear": module(lambda: nn.Upsample(size=(11, 9), mode="bilinear"), f32(1, 6, 5, 6)),
    "upsample_cubic": module(lambda: nn.Upsample(scale_factor=2, mode="bicubic", align_corners=True), f32(1, 3, 7, 6)),
    "adaptive_pool": module(lambda: nn.Sequential(nn.AdaptiveAvgPool2d((3, 2)), nn.Flatten()), f32(2, 5, 9, 8)),
    "max_pool_dilated": module(lambda: nn.MaxPool2d(3, 1, dilation=2), f32(1, 6, 11, 12)),
    "max_pool_with_indices": module(lambda: nn.MaxPool2d(2, return_indices=True), f32(1, 4, 8, 8)),
    "average_pool_ceil": module(lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), f32(1, 6, 10, 10)),
    "lp_pool": module(lambda: nn.LPPool2d(2, 3), f32(1, 4, 9, 9)),
    "fold": module(lambda: nn.Fold((6, 7), 3, padding=1), f32(1, 18, 42)),
    "unfold": module(lambda: nn.Unfold(3, padding=1), f32(1, 4, 6, 7)),
    "reflection_pad": module(lambda: nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 8, 5)), f32(1, 3, 8, 9)),
    "replication_pad": module(lambda: nn.ReplicationPad2d((1, 2, 0, 3)), f32(1, 3, 5, 6)),
    "glu": module(lambda: nn.GLU(), f32(3, 5, 14)),
    "prelu": module(lambda: nn.PReLU(6), f32(2, 6, 5)),
    "softmax": module(lambda: nn.Sequential(nn.Softmax(1), nn.LogSoftmax(-1)), f32(3, 5, 9)),
    "cosine": module(lambda: nn.CosineSimilarity(), f32(4, 9), f32(4, 9)),
    "constant_beside_16": beside_constant(1, 1, 16, 8, 8),
    "constant_beside_8": beside_constant(1, 1, 8, 8, 8),
    "constant_along_width": beside_constant(3, 1, 16, 8, 2),
    "topk": lambda: (Function(lambda m, x: torch.topk(x, 4)), (real(3, 20),)),
    "sort": lambda: (Function(lambda m, x: torch.sort(x, descending=True)), (real(3, 20),)),
    "cumulative": lambda: (Function(lambda m, x: torch.cumsum(x.exp(), 1)), (real(3, 20),)),
    "einsum": lambda: (Function(lambda m, x, y: torch.einsum("bij,bkj->bik", x, y)), (real(2, 4, 5), real(2, 6, 5))),
    "gather": lambda: (Function(lambda m, x, i: torch.gather(x, 1, i)), (real(3, 9), whole(9, 3, 4))),
    "scatter": lambda: (
        Function(lambda m, x, i, u: x.scatter_add(1, i, u)),
        (real(3, 9), whole(9, 3, 4), real(3, 4)),
    ),
    "index_put": lambda: (
        Function(lambda m, x, u: torch.cat([x[:, :2], u, x[:, 4:]], 1).index_fill(1, torch.tensor([0]), 3.0)),
        (real(3, 9), real(3, 2)),
    ),
    "masked": lambda: (
        Function(lambda m, x: x.masked_fill(x < 0, -1e4).softmax(-1) * torch.tril(torch.ones(6, 6))),
        (real(2, 6, 6),),
    ),
    "rolled": lambda: (Function(lambda m, x: torch.roll(x, (1, -2), (1, 2)).flip(0)), (real(2, 6, 7),)),
    "grid_sample": lambda: (
        Function(lambda m, x, g: nn.functional.grid_sample(x, g, align_corners=False)),
        (real(1, 3, 6, 7), real(1, 5, 5, 2).tanh()),
    ),
    "norms": lambda: (Function(lambda m, x: x / x.norm(dim=1, keepdim=True) + x.std(-1, keepdim=True)), (real(3, 5, 8),)),
    "logsumexp": lambda: (Function(lambda m, x: (torch.logsumexp(x, 1), x.argmax(-1), x.var(0))), (real(3, 5, 8),)),
}


def torchvision_model(name, size, **options):
    def make():
        import torchvision

        return torchvision.models.get_model(name, weights=None, **options), (real(1, 3, size, size),)

    return make


def video_model(name):
    def make():
        import torchvision

        return torchvision.models.get_model(name, weights=None), (real(1, 3, 4, 32, 32),)

    return make


def segmentation_model(name, size):
    def make():
        import torchvision

        model = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=5)
        return Function(lambda m, x: m.model(x)["out"], model=model), (real(1, 3, size, size),)

    return make


def small_vision_transformer():
    import torchvision

    model = torchvision.models.VisionTransformer(32, 8, 2, 3, 48, 96, num_classes=10)
    return model, (real(1, 3, 32, 32),)


def timm_model(name, size, **options):
    def make():
        import timm

        return timm.create_model(name, pretrained=False, num_classes=10, **options), (real(1, 3, size, size),)

    return make


def transformer(kind, **options):
    def make():
        import transformers

        config = getattr(transformers, kind + "Config")(**options)
        model = getattr(transformers, kind + "Model")(config)
        model.config.use_cache = False
        ids = whole(60, 2, 9)
        return Function(lambda m, x: m.model(x)[0], model=model), (ids,)

    return make


ARCHITECTURES = {
    "alexnet": torchvision_model("alexnet", 64),
    "vgg11_bn": torchvision_model("vgg11_bn", 32),
    "resnet18": torchvision_model("resnet18", 64),
    "resnext50": torchvision_model("resnext50_32x4d", 32),
    "densenet121": torchvision_model("densenet121", 32),
    "googlenet": torchvision_model("googlenet", 64, aux_logits=False, init_weights=False),
    "inception_v3": torchvision_model("inception_v3", 80, aux_logits=False, init_weights=False),
    "squeezenet": torchvision_model("squeezenet1_1", 64),
    "shufflenet": torchvision_model("shufflenet_v2_x0_5", 64),
    "mobilenet_v2": torchvision_model("mobilenet_v2", 64),
    "mobilenet_v3": torchvision_model("mobilenet_v3_small", 64),
    "mnasnet": torchvision_model("mnasnet0_5", 64),
    "efficientnet_b0": torchvision_model("efficientnet_b0", 64),
    "regnet_y": torchvision_model("regnet_y_400mf", 64),
    "convnext": torchvision_model("convnext_tiny", 32),
    "swin": torchvision_model("swin_t", 64),
    "vit": small_vision_transformer,
    "lraspp": segmentation_model("lraspp_mobilenet_v3_large", 64),
    "deeplabv3": segmentation_model("deeplabv3_mobilenet_v3_large", 64),
    "r3d": video_model("r3d_18"),
    "ghostnet": timm_model("ghostnet_050", 64),
    "hrnet": timm_model("hrnet_w18_small", 64),
    "edgenext": timm_model("edgenext_xx_small", 64),
    "mobilevit": timm_model("mobilevit_xxs", 64),
    "poolformer": timm_model("poolformer_s12", 32),
    "repvgg": timm_model("repvgg_a0", 32),
    "mixer": timm_model("mixer_s32_224", 64, img_size=64),
    "rexnet": timm_model("rexnet_100", 32),
    "bert": transformer(
        "Bert", vocab_size=60, hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96
    ),
    "distilbert": transformer("DistilBert", vocab_size=60, dim=48, n_layers=2, n_heads=3, hidden_dim=96),
    "albert": transformer(
        "Albert",
        vocab_size=60,
        embedding_size=16,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=96,
    ),
    "gpt2": transformer("GPT2", vocab_size=60, n_embd=48, n_layer=2, n_head=3),
    "llama": transformer(
        "Llama",
        vocab_size=60,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=96,
    ),
}


def all_exports():
    return list(MODULES.items()) + list(ARCHITECTURES.items())
