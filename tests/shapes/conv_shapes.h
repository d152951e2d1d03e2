// Convolution shapes that tests and benchmarks share.
#pragma once

#include "ops/kernels/conv_shape.h"

namespace bantam {

struct NamedConv {
  const char* name;
  ConvShape shape;
};

// Small and awkward: every branch of the kernels, odd sizes, channel counts on both sides of a vector.
//                                           n  h   w   c   k  kh kw sh sw ph pw dh dw groups
inline constexpr NamedConv kTestConvs[] = {
    {"one pixel, one channel",             {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 same, one channel",              {2, 7, 5, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, RGB",                      {2, 9, 8, 3, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 16 to 16",                 {2, 5, 5, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 17 to 33",                 {1, 6, 7, 17, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 64 to 65",                 {1, 4, 4, 64, 65, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 65 to 64",                 {1, 4, 3, 65, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 48 to 80, 2x2 image",      {5, 2, 2, 48, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 valid, stride 2",                {2, 9, 11, 16, 17, 3, 3, 2, 2, 0, 0, 1, 1, 1}},
    {"3x3 same, stride 2, even size",      {2, 8, 8, 32, 16, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"3x3, stride 3",                      {1, 10, 11, 3, 5, 3, 3, 3, 3, 1, 1, 1, 1, 1}},
    {"1x1",                                {3, 5, 3, 17, 31, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"1x1, stride 2",                      {2, 7, 7, 32, 64, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"1x1, padded",                        {1, 3, 3, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"5x5 same, stride 2",                 {2, 11, 9, 6, 16, 5, 5, 2, 2, 2, 2, 1, 1, 1}},
    {"7x7, stride 2, RGB",                 {1, 17, 19, 3, 16, 7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"3x1, unequal strides and pads",      {2, 8, 9, 5, 7, 3, 1, 1, 2, 2, 0, 1, 1, 1}},
    {"1x4",                                {1, 4, 9, 16, 18, 1, 4, 2, 1, 0, 1, 1, 1, 1}},
    {"3x3, dilation 2",                    {1, 9, 10, 16, 9, 3, 3, 1, 1, 2, 2, 2, 2, 1}},
    {"3x3, dilation 2, stride 2",          {1, 9, 10, 7, 9, 3, 3, 2, 2, 2, 2, 2, 2, 1}},
    {"3x3, dilation 3, stride 2",          {1, 12, 13, 8, 9, 3, 3, 2, 2, 3, 3, 3, 3, 1}},
    {"3x3, two groups",                    {2, 6, 5, 32, 34, 3, 3, 1, 1, 1, 1, 1, 1, 2}},
    {"3x3, three groups of three",         {1, 7, 7, 9, 12, 3, 3, 2, 2, 1, 1, 1, 1, 3}},
    {"depthwise 3x3",                      {2, 7, 6, 19, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19}},
    {"depthwise 5x5, stride 2",            {1, 9, 9, 33, 33, 5, 5, 2, 2, 2, 2, 1, 1, 33}},
    {"depthwise 3x3, dilation 2",          {1, 8, 7, 64, 64, 3, 3, 1, 1, 2, 2, 2, 2, 64}},
    {"depthwise 3x3, 35 channels, wide",   {3, 15, 14, 35, 35, 3, 3, 1, 1, 1, 1, 1, 1, 35}},
    {"depthwise 3x3, stride 2, 2 channels",{1, 5, 6, 2, 2, 3, 3, 2, 2, 1, 1, 1, 1, 2}},
    {"depthwise, multiplier 2",            {1, 5, 5, 3, 6, 3, 3, 1, 1, 1, 1, 1, 1, 3}},
    {"padding wider than the window",      {1, 3, 3, 2, 3, 3, 3, 1, 1, 4, 4, 1, 1, 1}},
    {"window of the whole image",          {3, 4, 5, 6, 7, 4, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"more pixels than a block",           {3, 13, 13, 16, 15, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"deep: two blocks of depth",          {1, 3, 3, 64, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"30 images of 2x2, 128 deep",         {30, 2, 2, 128, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"30 images of 3x3, 16 to 128",        {30, 3, 3, 16, 128, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"29 images of 4x3, 272 deep, 2 far",  {29, 4, 3, 272, 5, 3, 3, 2, 2, 2, 2, 1, 1, 1}},
    {"5x5 same, 1 to 6, 28 wide",          {2, 6, 28, 1, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"3x3 same, 3 to 8, 16 wide",          {2, 5, 16, 3, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 2 to 4, 31 wide",          {1, 4, 31, 2, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 valid, 3 to 2, 20 wide",         {1, 5, 20, 3, 2, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 same, 1 to 5, 16 wide",          {2, 3, 16, 1, 5, 3, 3, 2, 1, 1, 1, 1, 1, 1}},
    {"5x5 valid, 6 to 16, 2 blocks",       {3, 14, 14, 6, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 same, RGB to 40, 33 wide",       {2, 5, 33, 3, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"4x3, 5 to 17, stride 2, wide",       {2, 9, 29, 5, 17, 4, 3, 1, 2, 1, 2, 1, 1, 1}},
    {"3x3, 2 to 9, dilation 2 and 3",      {1, 11, 21, 2, 9, 3, 3, 2, 1, 2, 3, 2, 3, 1}},
    {"3x3 same, 17 to 34, wide",           {2, 4, 12, 17, 34, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"linear 70 to 10",                    {9, 1, 1, 70, 10, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
};

// More for the tiles of Winograd's algorithm: paddings 0 to 2, odd outputs, tiles that are all border, channels that
// end anywhere in a line, more tiles than a block of the weight gradient, every cut of its plan.
inline constexpr NamedConv kWinogradConvs[] = {
    {"3x3 valid, 7x6",                     {2, 7, 6, 16, 32, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 full, 5x4",                      {2, 5, 4, 20, 24, 3, 3, 1, 1, 2, 2, 1, 1, 1}},
    {"3x3, pads 2 and 0",                  {1, 5, 9, 7, 13, 3, 3, 1, 1, 2, 0, 1, 1, 1}},
    {"3x3 valid, 3x3 image",               {3, 3, 3, 31, 18, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 same, 1x1 image",                {5, 1, 1, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 33 to 1",                  {1, 8, 8, 33, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 80 to 48, 300 tiles",      {3, 20, 20, 80, 48, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 160 to 96",                {4, 8, 8, 160, 96, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, 240 to 176",               {4, 4, 4, 240, 176, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
};

// More for windows of few channels: one to all lines in a band, bands of unequal height, runs of a window in one piece
// and in several, vectors along pixels (up to 8 output channels) with full, half and nearly empty last vectors, every
// stride.
inline constexpr NamedConv kNarrowConvs[] = {
    {"5x5 same, 1 to 6, 41x28",            {1, 41, 28, 1, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"5x5 valid, 6 to 16, 14x14",          {3, 14, 14, 6, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 same, RGB to 64, 21x32",         {2, 21, 32, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"7x7, stride 2, RGB to 16, 40x38",    {1, 40, 38, 3, 16, 7, 7, 2, 2, 3, 3, 1, 1, 1}},
    {"7x7 same, 1 to 30",                  {2, 10, 11, 1, 30, 7, 7, 1, 1, 3, 3, 1, 1, 1}},
    {"5x5 same, 1 to 48",                  {1, 9, 13, 1, 48, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"3x3 same, 2 to 20, 17 wide",         {1, 11, 17, 2, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, RGB to 8, 16 wide",        {2, 9, 16, 3, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3 same, RGB to 7, 300 wide",       {1, 3, 300, 3, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"3x3, stride 2 down, 1 to 1",         {1, 30, 31, 1, 1, 3, 3, 2, 1, 1, 1, 1, 1, 1}},
    {"4x4, dilation 2 down, 5 to 3",       {1, 12, 30, 5, 3, 4, 4, 1, 1, 2, 1, 2, 1, 1}},
    {"3x3, stride 3, 5 to 12",             {2, 30, 28, 5, 12, 3, 3, 3, 3, 1, 1, 1, 1, 1}},
    {"1x1, 9 to 40",                       {2, 6, 9, 9, 40, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {"3x3 same, 40 to 24",                 {1, 8, 9, 40, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"pads wider than the window, 2 to 9", {1, 6, 7, 2, 9, 3, 3, 1, 1, 4, 4, 1, 1, 1}},
};

// The 3x3 layers of VGG-11 and ResNet-14 (width 1.25) on CIFAR-10, batch 128.
inline constexpr NamedConv kVgg11Convs[] = {
    {"vgg11.conv1 32x32 3-64",    {128, 32, 32, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv2 16x16 64-128",  {128, 16, 16, 64, 128, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv3 8x8 128-256",   {128, 8, 8, 128, 256, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv4 8x8 256-256",   {128, 8, 8, 256, 256, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv5 4x4 256-512",   {128, 4, 4, 256, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv6 4x4 512-512",   {128, 4, 4, 512, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv7 2x2 512-512",   {128, 2, 2, 512, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"vgg11.conv8 2x2 512-512",   {128, 2, 2, 512, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
};
inline constexpr NamedConv kResNet14Convs[] = {
    {"resnet14 32x32 80-80",       {128, 32, 32, 80, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"resnet14 32x32 80-160 s2",   {128, 32, 32, 80, 160, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"resnet14 16x16 160-160",     {128, 16, 16, 160, 160, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"resnet14 16x16 160-320 s2",  {128, 16, 16, 160, 320, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"resnet14 8x8 320-320",       {128, 8, 8, 320, 320, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"resnet14 1x1 80-160 s2",     {128, 32, 32, 80, 160, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"resnet14 1x1 160-320 s2",    {128, 16, 16, 160, 320, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
};
// The strided layers of ResNet-18 at 64 px.
inline constexpr NamedConv kResNet18Convs[] = {
    {"resnet18 32x32 64-128 s2",   {128, 32, 32, 64, 128, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"resnet18 16x16 128-256 s2",  {128, 16, 16, 128, 256, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"resnet18 8x8 256-512 s2",    {128, 8, 8, 256, 512, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {"resnet18 1x1 64-128 s2",     {128, 32, 32, 64, 128, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"resnet18 1x1 128-256 s2",    {128, 16, 16, 128, 256, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
    {"resnet18 1x1 256-512 s2",    {128, 8, 8, 256, 512, 1, 1, 2, 2, 0, 0, 1, 1, 1}},
};

// LeNet-5 on MNIST, batch 64: few channels everywhere.
inline constexpr NamedConv kLenetConvs[] = {
    {"lenet.conv1 28x28 1-6",      {64, 28, 28, 1, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1}},
    {"lenet.conv2 14x14 6-16",     {64, 14, 14, 6, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1}},
    {"lenet.fc1 400-120",          {64, 1, 1, 400, 120, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
};

// Depthwise layers of MobileNetV3-Small at 224, batch 8.
inline constexpr NamedConv kDepthwiseConvs[] = {
    {"depthwise 3x3 56x56 72 s2",  {8, 56, 56, 72, 72, 3, 3, 2, 2, 1, 1, 1, 1, 72}},
    {"depthwise 3x3 28x28 88",     {8, 28, 28, 88, 88, 3, 3, 1, 1, 1, 1, 1, 1, 88}},
    {"depthwise 5x5 14x14 240",    {8, 14, 14, 240, 240, 5, 5, 1, 1, 2, 2, 1, 1, 240}},
};

}  // namespace bantam
